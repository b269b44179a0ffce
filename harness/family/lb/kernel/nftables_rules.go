// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// The rules are those of kube-proxy's nftables mode for services with a cluster address: one verdict map finds the
// service by address, protocol and port, a chain a service draws the backend by numgen, a chain a backend translates.
// Where this deviates:
//
//  1. What serves node ports, source ranges and session affinity is left out: the map of firewalled addresses, which
//     would be empty, stays, as every new connection passes it.
//  2. No rule marks packets from outside the cluster for masquerading: the lab's reals answer through the balancer.
//  3. Weights, which kube-proxy does not have, are told by ranges of the drawn number. At equal weights the draw is
//     kube-proxy's.
//  4. A full sync is many transactions of nftBatch services each, not one: for each anonymous map the kernel (6.18)
//     walks all that the transaction holds already, 7 s for 4,000 services in one. Each service changes in one
//     transaction. kube-proxy splits nothing and writes only what changed after its first sync; here a full sync
//     writes everything.
//     Chains that are no longer used go in the transaction that replaces them, not in a later one.
//  5. A name is "kxlab/ADDRESS" where a cluster has a namespace and a name.
//
// As in kube-proxy, no rule drops packets that connection tracking finds invalid (kubernetes/kubernetes, pull request
// 122663): iptables mode has that rule, against resets of long connections on kernels before 6.1, and nftables mode leaves
// them to the option --conntrack-tcp-be-liberal, which is off by default. The balancer names it as its peculiarity.
//
// What remains is the kernel's own: a table's maps are a list that it walks to its end five times for each new map (is
// there one of this name, which number is free, which has its elements, which does the rule mean), so the time grows with
// the square of the services. First setting of 10,000 services with 4 backends each on 6.18, quiet machine: 9.7 s, of
// which nft itself takes 1.5 s and the kernel 8.3 s, three quarters of that in those walks (perf). With a name for each
// map in place of none, which saves the search for a number, it is 6.1 to 7.1 s (4.4 s in the kernel), whatever the size
// of a transaction: not enough to be worth another layout than kube-proxy's.
const nftTable = "kube-proxy"

// nftWords are the words that differ between the tables of the two IP families.
type nftWords struct{ table, addr, addrType string }

func nftFamily(f ipFamily) nftWords {
	if f == ipv6 {
		return nftWords{"ip6 " + nftTable, "ip6", "ipv6_addr"}
	}
	return nftWords{"ip " + nftTable, "ip", "ipv4_addr"}
}

// nftName makes a chain's name: a hash to tell it apart and the words for the reader. A colon may not be in it.
func nftName(kind string, s *service.Service, more string) string {
	full := "kxlab/" + s.VIP.Addr().String() + "/" + protoName(s.Proto) + "/p" + fmt.Sprint(s.VIP.Port())
	if more != "" {
		full += "__" + more
	}
	return kind + "-" + chainHash(full)[:8] + "-" + strings.ReplaceAll(full, ":", ".")
}

func nftServiceChain(s *service.Service) string { return nftName("service", s, "") }

func nftEndpointChain(s *service.Service, b service.Backend) string {
	return nftName("endpoint", s, b.Addr.Addr().String()+"/"+fmt.Sprint(b.Addr.Port()))
}

func nftEndpointChains(s *service.Service) (out []string) {
	for _, b := range serving(s) {
		out = append(out, nftEndpointChain(s, b))
	}
	return out
}

// nftablesTable writes the transaction that makes the table, without services.
func nftablesTable(f ipFamily) []byte {
	w := nftFamily(f)
	return fmt.Appendf(nil, `add table %[1]s
delete table %[1]s
table %[1]s {
	comment "rules for kube-proxy"
	set cluster-ips { type %[3]s; comment "Active ClusterIPs"; }
	map service-ips { type %[3]s . inet_proto . inet_service : verdict; comment "ClusterIP traffic"; }
	map no-endpoint-services { type %[3]s . inet_proto . inet_service : verdict; comment "services with no endpoints"; }
	map firewall-ips { type %[3]s . inet_proto . inet_service : verdict; comment "restricted destinations"; }
	chain mark-for-masquerade { mark set mark or %[4]s; }
	chain masquerading {
		mark and %[4]s == 0 return
		mark set mark xor %[4]s
		masquerade fully-random
	}
	chain reject-chain { reject; }
	chain firewall-check { %[2]s daddr . meta l4proto . th dport vmap @firewall-ips; }
	chain service-endpoints-check { %[2]s daddr . meta l4proto . th dport vmap @no-endpoint-services; }
	chain cluster-ips-check { %[2]s daddr @cluster-ips reject comment "no such port of a ClusterIP"; }
	chain services { %[2]s daddr . meta l4proto . th dport vmap @service-ips; }
	chain filter-prerouting { type filter hook prerouting priority -110; ct state new jump firewall-check; }
	chain filter-input { type filter hook input priority -110; ct state new jump service-endpoints-check; }
	chain filter-forward {
		type filter hook forward priority -110
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}
	chain filter-output {
		type filter hook output priority -110
		ct state new jump service-endpoints-check
		ct state new jump firewall-check
	}
	chain filter-output-post-dnat { type filter hook output priority -90; ct state new jump cluster-ips-check; }
	chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
	chain nat-output { type nat hook output priority -100; jump services; }
	chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }
}
`, w.table, w.addr, w.addrType, masqMark)
}

// nftBatch is how many services one transaction of a full sync holds.
const nftBatch = 1000

// A nftChange is a service before and after; before is nil for a new one, after for one that goes.
type nftChange struct{ before, after *service.Service }

// nftablesChange writes a transaction that brings the changes, all of one IP family. anew says that the chains of
// backends which stay are written as well. addresses counts the services of each virtual address before the transaction;
// it is brought up to date.
func nftablesChange(f ipFamily, changes []nftChange, anew bool, addresses map[netip.Addr]int) []byte {
	w := nftFamily(f)
	var b bytes.Buffer
	e := nftElements{add: map[string][]string{}, del: map[string][]string{}}
	var dead []string
	for _, c := range changes {
		s := c.after
		if s == nil {
			s = c.before
		}
		var was, is []string
		if c.before != nil {
			was = nftEndpointChains(c.before)
		}
		if c.after != nil {
			is = nftEndpointChains(c.after)
		}
		writeNFTEndpoints(&b, w, c, was, anew)
		chain := nftServiceChain(s)
		if len(is) > 0 {
			fmt.Fprintf(&b, "add chain %[1]s %[2]s\n", w.table, chain)
			if len(was) > 0 {
				fmt.Fprintf(&b, "flush chain %[1]s %[2]s\n", w.table, chain)
			}
			fmt.Fprintf(&b, "add rule %s %s ", w.table, chain)
			writeNFTDraw(&b, s, serving(s))
		} else if len(was) > 0 {
			dead = append(dead, chain)
		}
		dead = append(dead, without(was, is)...)
		e.change(c, s, len(was) > 0, len(is) > 0, addresses)
	}
	e.write(&b, w)
	for _, c := range dead { // when nothing leads there any more
		fmt.Fprintf(&b, "flush chain %[1]s %[2]s\n", w.table, c)
	}
	for _, c := range dead {
		fmt.Fprintf(&b, "delete chain %[1]s %[2]s\n", w.table, c)
	}
	return b.Bytes()
}

// writeNFTEndpoints writes the chains of the service's backends, which must be there before the draw leads to them.
func writeNFTEndpoints(b *bytes.Buffer, w nftWords, c nftChange, was []string, anew bool) {
	if c.after == nil {
		return
	}
	for _, r := range serving(c.after) {
		chain := nftEndpointChain(c.after, r)
		there := slices.Contains(was, chain)
		if there && !anew {
			continue
		}
		fmt.Fprintf(b, "add chain %[1]s %[2]s\n", w.table, chain)
		if there {
			fmt.Fprintf(b, "flush chain %[1]s %[2]s\n", w.table, chain)
		}
		fmt.Fprintf(b, "add rule %s %s %s saddr %s jump mark-for-masquerade\n", w.table, chain, w.addr, r.Addr.Addr())
		fmt.Fprintf(b, "add rule %s %s meta l4proto %s dnat to %s\n", w.table, chain, protoName(c.after.Proto), r.Addr)
	}
}

// writeNFTDraw writes the rule that draws a backend.
func writeNFTDraw(b *bytes.Buffer, s *service.Service, backends []service.Backend) {
	step := 0
	for _, r := range backends {
		step = gcd(step, r.Weight)
	}
	total := 0
	for _, r := range backends {
		total += r.Weight / step
	}
	fmt.Fprintf(b, "numgen random mod %d vmap { ", total)
	from := 0
	for i, r := range backends {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(b, from)
		from += r.Weight / step
		if r.Weight > step {
			fmt.Fprintf(b, "-%d", from-1)
		}
		fmt.Fprintf(b, " : goto %s", nftEndpointChain(s, r))
	}
	b.WriteString(" }\n")
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
