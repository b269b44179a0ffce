// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"

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
type nftWords struct {
	family   knftables.Family // also the name of the header in rules
	addrType string
}

func nftFamily(f ipFamily) nftWords {
	if f == ipv6 {
		return nftWords{family: knftables.IPv6Family, addrType: "ipv6_addr"}
	}
	return nftWords{family: knftables.IPv4Family, addrType: "ipv4_addr"}
}

// newNFTTransaction begins a transaction on the family's table. The library's fake is the one maker of transactions that
// does not run nft: nfTables.commit runs it, in the balancer's namespace.
func newNFTTransaction(f ipFamily) *knftables.Transaction {
	return knftables.NewFake(nftFamily(f).family, nftTable).NewTransaction()
}

// nftText writes the transaction as nft reads it. An error means that the library found an object invalid.
func nftText(tx *knftables.Transaction) ([]byte, error) {
	text := tx.String()
	if _, problem, found := strings.Cut(text, "# ERROR: "); found { // as String documents; no name or comment holds a "#"
		return nil, fmt.Errorf("write nftables rules: %s", problem)
	}
	return []byte(text), nil
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

// nftablesTable is the transaction that makes the table, without services.
func nftablesTable(f ipFamily) *knftables.Transaction {
	w, tx := nftFamily(f), newNFTTransaction(f)
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("rules for kube-proxy")})
	tx.Add(&knftables.Set{Name: nftClusterIPs, Type: w.addrType, Comment: knftables.PtrTo("Active ClusterIPs")})
	for _, m := range [...]struct{ name, comment string }{
		{nftServiceIPs, "ClusterIP traffic"},
		{nftNoEndpoints, "services with no endpoints"},
		{nftFirewallIPs, "restricted destinations"},
	} {
		tx.Add(&knftables.Map{Name: m.name, Type: w.addrType + " . inet_proto . inet_service : verdict", Comment: &m.comment})
	}
	chains := nftChains(w)
	for _, c := range chains { // before the rules, which name them
		tx.Add(&c.Chain)
	}
	for _, c := range chains {
		for _, rule := range c.rules {
			tx.Add(&rule)
		}
	}
	return tx
}

// nftBatch is how many services one transaction of a full sync holds.
const nftBatch = 1000

// A nftChange is a service before and after; before is nil for a new one, after for one that goes.
type nftChange struct{ before, after *service.Service }

// nftablesChange is a transaction that brings the changes, all of one IP family. anew says that the chains of
// backends which stay are written as well. addresses counts the services of each virtual address before the transaction;
// it is brought up to date.
func nftablesChange(f ipFamily, changes []nftChange, anew bool, addresses map[netip.Addr]int) *knftables.Transaction {
	w, tx := nftFamily(f), newNFTTransaction(f)
	var e nftElements
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
		addNFTEndpoints(tx, w, c, was, anew)
		chain := nftServiceChain(s)
		if len(is) > 0 {
			tx.Add(&knftables.Chain{Name: chain})
			if len(was) > 0 {
				tx.Flush(&knftables.Chain{Name: chain})
			}
			tx.Add(&knftables.Rule{Chain: chain, Rule: nftDraw(s, serving(s))})
		} else if len(was) > 0 {
			dead = append(dead, chain)
		}
		dead = append(dead, without(was, is)...)
		e.change(c, s, len(was) > 0, len(is) > 0, addresses)
	}
	e.write(tx)
	for _, c := range dead { // when nothing leads there any more
		tx.Flush(&knftables.Chain{Name: c})
	}
	for _, c := range dead {
		tx.Delete(&knftables.Chain{Name: c})
	}
	return tx
}

// addNFTEndpoints adds the chains of the service's backends, which must be there before the draw leads to them.
func addNFTEndpoints(tx *knftables.Transaction, w nftWords, c nftChange, was []string, anew bool) {
	if c.after == nil {
		return
	}
	for _, r := range serving(c.after) {
		chain := nftEndpointChain(c.after, r)
		there := slices.Contains(was, chain)
		if there && !anew {
			continue
		}
		tx.Add(&knftables.Chain{Name: chain})
		if there {
			tx.Flush(&knftables.Chain{Name: chain})
		}
		tx.Add(&knftables.Rule{Chain: chain, Rule: knftables.Concat(w.family, "saddr", r.Addr.Addr(), "jump", nftMarkChain)})
		tx.Add(&knftables.Rule{Chain: chain, Rule: knftables.Concat("meta l4proto", protoName(c.after.Proto), "dnat to", r.Addr)})
	}
}

// nftDraw is the rule that draws a backend.
func nftDraw(s *service.Service, backends []service.Backend) string {
	step := 0
	for _, r := range backends {
		step = gcd(step, r.Weight)
	}
	total := 0
	for _, r := range backends {
		total += r.Weight / step
	}
	elements := make([]string, 0, len(backends))
	from := 0
	for _, r := range backends {
		numbers := fmt.Sprint(from)
		from += r.Weight / step
		if r.Weight > step {
			numbers += fmt.Sprintf("-%d", from-1)
		}
		elements = append(elements, numbers+" : goto "+nftEndpointChain(s, r))
	}
	return knftables.Concat("numgen random mod", total, "vmap {", strings.Join(elements, ", "), "}")
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
