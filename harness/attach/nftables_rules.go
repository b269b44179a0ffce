// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
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
//  4. A full sync replaces the table, in one transaction; kube-proxy does so at its start and compares afterwards.
//     Chains that are no longer used go in the transaction that replaces them, not in a later one.
//  5. A name is "kxlab/ADDRESS" where a cluster has a namespace and a name.
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
func nftName(kind string, s *harness.Service, more string) string {
	full := "kxlab/" + s.VIP.Addr().String() + "/" + protoName(s.Proto) + "/p" + fmt.Sprint(s.VIP.Port())
	if more != "" {
		full += "__" + more
	}
	return kind + "-" + chainHash(full)[:8] + "-" + strings.ReplaceAll(full, ":", ".")
}

func nftServiceChain(s *harness.Service) string { return nftName("service", s, "") }

func nftEndpointChain(s *harness.Service, b harness.Backend) string {
	return nftName("endpoint", s, b.Addr.Addr().String()+"/"+fmt.Sprint(b.Addr.Port()))
}

func nftEndpointChains(s *harness.Service) (out []string) {
	for _, b := range serving(s) {
		out = append(out, nftEndpointChain(s, b))
	}
	return out
}

// nftablesSync writes the transaction that makes the services, all of one IP family, the only ones.
func nftablesSync(f ipFamily, services []harness.Service) []byte {
	w := nftFamily(f)
	var b bytes.Buffer
	fmt.Fprintf(&b, "add table %[1]s\ndelete table %[1]s\ntable %[1]s {\n", w.table)
	fmt.Fprintf(&b, `	comment "rules for kube-proxy"
	set cluster-ips { type %[2]s; comment "Active ClusterIPs"; }
	map service-ips { type %[2]s . inet_proto . inet_service : verdict; comment "ClusterIP traffic"; }
	map no-endpoint-services { type %[2]s . inet_proto . inet_service : verdict; comment "services with no endpoints"; }
	map firewall-ips { type %[2]s . inet_proto . inet_service : verdict; comment "destinations subject to LoadBalancerSourceRanges"; }
	chain mark-for-masquerade { mark set mark or %[3]s; }
	chain masquerading {
		mark and %[3]s == 0 return
		mark set mark xor %[3]s
		masquerade fully-random
	}
	chain reject-chain { reject; }
	chain firewall-check { %[1]s daddr . meta l4proto . th dport vmap @firewall-ips; }
	chain service-endpoints-check { %[1]s daddr . meta l4proto . th dport vmap @no-endpoint-services; }
	chain cluster-ips-check { %[1]s daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"; }
	chain services { %[1]s daddr . meta l4proto . th dport vmap @service-ips; }
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
`, w.addr, w.addrType, masqMark)
	// The chains of backends come first: a chain must be there before another goes to it.
	for i := range services {
		s := &services[i]
		for _, r := range serving(s) {
			fmt.Fprintf(&b, "\tchain %s {\n", nftEndpointChain(s, r))
			writeNFTEndpoint(&b, "\t\t", w, s, r)
			b.WriteString("\t}\n")
		}
		if backends := serving(s); len(backends) > 0 {
			fmt.Fprintf(&b, "\tchain %s {\n\t\t", nftServiceChain(s))
			writeNFTDraw(&b, s, backends)
			b.WriteString("\t}\n")
		}
	}
	b.WriteString("}\n")
	writeNFTElements(&b, w, services)
	return b.Bytes()
}

// writeNFTElements adds the services to the maps, many at a time.
func writeNFTElements(b *bytes.Buffer, w nftWords, services []harness.Service) {
	for _, m := range [...]struct {
		name string
		item func(s *harness.Service) string
	}{
		{"cluster-ips", func(s *harness.Service) string { return s.VIP.Addr().String() }},
		{"service-ips", func(s *harness.Service) string {
			if len(serving(s)) == 0 {
				return ""
			}
			return nftKey(s) + " : goto " + nftServiceChain(s)
		}},
		{"no-endpoint-services", func(s *harness.Service) string {
			if len(serving(s)) > 0 {
				return ""
			}
			return nftKey(s) + " : goto reject-chain"
		}},
	} {
		const batch = 1000
		n := 0
		for i := range services {
			item := m.item(&services[i])
			if item == "" {
				continue
			}
			switch {
			case n%batch == 0 && n > 0:
				fmt.Fprintf(b, " }\nadd element %s %s { ", w.table, m.name)
			case n == 0:
				fmt.Fprintf(b, "add element %s %s { ", w.table, m.name)
			default:
				b.WriteString(", ")
			}
			b.WriteString(item)
			n++
		}
		if n > 0 {
			b.WriteString(" }\n")
		}
	}
}

func nftKey(s *harness.Service) string {
	return fmt.Sprintf("%s . %s . %d", s.VIP.Addr(), protoName(s.Proto), s.VIP.Port())
}

// nftablesUpdate writes the transaction that turns service old into s, both of one address.
func nftablesUpdate(old, s *harness.Service) []byte {
	w := nftFamily(familyOf(s.VIP.Addr()))
	var b bytes.Buffer
	before, backends := nftEndpointChains(old), serving(s)
	was := map[string]bool{}
	for _, c := range before {
		was[c] = true
	}
	for _, r := range backends {
		if c := nftEndpointChain(s, r); !was[c] {
			fmt.Fprintf(&b, "add chain %s %s\n", w.table, c)
			var rules bytes.Buffer
			writeNFTEndpoint(&rules, "add rule "+w.table+" "+c+" ", w, s, r)
			b.Write(rules.Bytes())
		}
	}
	chain := nftServiceChain(s)
	had, has := len(before) > 0, len(backends) > 0
	if !had && has {
		fmt.Fprintf(&b, "delete element %s no-endpoint-services { %s }\n", w.table, nftKey(s))
	}
	if had && !has {
		fmt.Fprintf(&b, "delete element %s service-ips { %s }\n", w.table, nftKey(s))
		fmt.Fprintf(&b, "add element %s no-endpoint-services { %s : goto reject-chain }\n", w.table, nftKey(s))
		fmt.Fprintf(&b, "flush chain %[1]s %[2]s\ndelete chain %[1]s %[2]s\n", w.table, chain)
	}
	if has {
		fmt.Fprintf(&b, "add chain %[1]s %[2]s\nflush chain %[1]s %[2]s\nadd rule %[1]s %[2]s ", w.table, chain)
		writeNFTDraw(&b, s, backends)
	}
	if !had && has {
		fmt.Fprintf(&b, "add element %s service-ips { %s : goto %s }\n", w.table, nftKey(s), chain)
	}
	for _, c := range without(before, nftEndpointChains(s)) {
		fmt.Fprintf(&b, "flush chain %[1]s %[2]s\ndelete chain %[1]s %[2]s\n", w.table, c)
	}
	return b.Bytes()
}

// writeNFTDraw writes the rule that draws a backend.
func writeNFTDraw(b *bytes.Buffer, s *harness.Service, backends []harness.Backend) {
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

// writeNFTEndpoint writes the rules of a backend, each behind the prefix.
func writeNFTEndpoint(b *bytes.Buffer, prefix string, w nftWords, s *harness.Service, r harness.Backend) {
	fmt.Fprintf(b, "%s%s saddr %s jump mark-for-masquerade\n", prefix, w.addr, r.Addr.Addr())
	fmt.Fprintf(b, "%smeta l4proto %s dnat to %s\n", prefix, protoName(s.Proto), r.Addr)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
