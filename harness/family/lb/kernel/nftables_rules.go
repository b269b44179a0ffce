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
// service by address, protocol and port, a chain for each service selects the backend by numgen, a chain for each
// backend translates. Deviations:
//
//  1. Rules for node ports, source ranges and session affinity are left out. The map of firewalled addresses stays, empty,
//     because every new connection is looked up in it.
//  2. No rule marks packets from outside the cluster for masquerading: the lab's reals answer through the balancer.
//  3. Ranges of the random number express weights, which kube-proxy does not have. For equal weights they are kube-proxy's.
//  4. A full sync is split into transactions of nftBatch services and writes everything; kube-proxy uses one and, after
//     its first sync, writes only changes. For each anonymous map the kernel (6.18) walks the whole transaction: 7 s for
//     4,000 services in one. Each service still changes in one transaction, which also deletes its unused chains.
//  5. Names have "kxlab/ADDRESS" in place of a cluster's namespace and name.
//
// As in kube-proxy, no rule drops packets that conntrack marks as invalid (kubernetes/kubernetes, pull request 122663):
// iptables mode has that rule, against resets of long connections on kernels before 6.1, and nftables mode has the
// option --conntrack-tcp-be-liberal, which is off by default. See Peculiarities.
//
// The set-up time grows with the square of the services: for each new map the kernel walks the table's list of maps five
// times. 10,000 services with 4 backends each take 9.7 s on 6.18, quiet machine: 1.5 s in nft and 8.3 s in the kernel,
// three quarters of that in those walks (perf). Named maps, which save the search for a free number, take 6.1 to 7.1 s
// (4.4 s in the kernel) for every size of a transaction; the layout of kube-proxy is kept nevertheless.
const nftTable = "kube-proxy"

// nftWords are the names that differ between the tables of the two IP families.
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

// newNFTTransaction returns an empty transaction on the family's table. Only the library's fake makes transactions
// without running nft; nfTables.commit runs it in the balancer's namespace.
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

// nftName returns a chain's name: a hash that makes it unique and a readable part. Colons are not allowed.
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

// nftablesTable returns the transaction that makes the table, without services.
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

// nftBatch is the number of services in one transaction of a full sync.
const nftBatch = 1000

// An nftChange is a service before and after; before is nil for a new service, after for a removed one.
type nftChange struct{ before, after *service.Service }

// nftablesChange returns a transaction with the changes, all of one IP family. whole: the chains of backends that stay
// are written again. addresses, the number of services at each virtual address, is updated.
func nftablesChange(f ipFamily, changes []nftChange, whole bool, addresses map[netip.Addr]int) *knftables.Transaction {
	w, tx := nftFamily(f), newNFTTransaction(f)
	var e nftElements
	var unused []string
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
		addNFTEndpoints(tx, w, c, was, whole)
		chain := nftServiceChain(s)
		if len(is) > 0 {
			tx.Add(&knftables.Chain{Name: chain})
			if len(was) > 0 {
				tx.Flush(&knftables.Chain{Name: chain})
			}
			tx.Add(&knftables.Rule{Chain: chain, Rule: nftSelect(s, serving(s))})
		} else if len(was) > 0 {
			unused = append(unused, chain)
		}
		unused = append(unused, without(was, is)...)
		e.change(c, s, len(was) > 0, len(is) > 0, addresses)
	}
	e.write(tx)
	for _, c := range unused { // after the last reference to them
		tx.Flush(&knftables.Chain{Name: c})
	}
	for _, c := range unused {
		tx.Delete(&knftables.Chain{Name: c})
	}
	return tx
}

// addNFTEndpoints adds the chains of the service's backends, which must exist before the selection refers to them.
func addNFTEndpoints(tx *knftables.Transaction, w nftWords, c nftChange, was []string, whole bool) {
	if c.after == nil {
		return
	}
	for _, r := range serving(c.after) {
		chain := nftEndpointChain(c.after, r)
		exists := slices.Contains(was, chain)
		if exists && !whole {
			continue
		}
		tx.Add(&knftables.Chain{Name: chain})
		if exists {
			tx.Flush(&knftables.Chain{Name: chain})
		}
		tx.Add(&knftables.Rule{Chain: chain, Rule: knftables.Concat(w.family, "saddr", r.Addr.Addr(), "jump", nftMarkChain)})
		tx.Add(&knftables.Rule{Chain: chain, Rule: knftables.Concat("meta l4proto", protoName(c.after.Proto), "dnat to", r.Addr)})
	}
}

// nftSelect returns the rule that selects a backend at random.
func nftSelect(s *service.Service, backends []service.Backend) string {
	step := 0
	for _, r := range backends {
		step = gcd(step, r.Weight)
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
	return knftables.Concat("numgen random mod", from, "vmap {", strings.Join(elements, ", "), "}")
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
