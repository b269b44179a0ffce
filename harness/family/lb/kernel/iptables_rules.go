// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// The rules are those of kube-proxy's iptables mode for services with a cluster address: KUBE-SERVICES finds the
// service by one rule for each; KUBE-SVC-… selects the backend; KUBE-SEP-… translates. Every name, match and comment is
// kept, because each takes memory that packets traverse. Deviations:
//
//  1. KUBE-NODEPORTS, KUBE-EXTERNAL-SERVICES, KUBE-PROXY-FIREWALL and the canaries are left out: no service here has a
//     node port, an external address or a source range, and their chains would be empty.
//  2. No rule marks packets that come from outside the cluster for masquerading: the lab's reals answer through the
//     balancer. The mark's own rules and that for a backend that calls itself are there.
//  3. The drop of invalid packets is kube-proxy's default (without tcpBeLiberal) and is kept; conntrack_invalid counts
//     them. A packet that is not translated and has no route is refused before this rule.
//  4. Probabilities express weights, which kube-proxy does not have. For equal weights they are kube-proxy's.
//  5. An update writes the chains of its service only. kube-proxy also writes KUBE-SERVICES each time, changed or not:
//     this favours iptables.
//  6. The chains to delete are known from the last sync, not from iptables-save.
//  7. In the nft form a full sync replaces both tables instead of going chain by chain (--noflush): iptables-nft-restore
//     1.8.9 compares each declared chain with all others, 27 s for 4,000 services where replacing takes 1.8 s.
const (
	masqMark       = "0x4000"
	chainServices  = "KUBE-SERVICES"
	chainForward   = "KUBE-FORWARD"
	chainMarkMasq  = "KUBE-MARK-MASQ"
	chainPostroute = "KUBE-POSTROUTING"
)

// chainHash is kube-proxy's hash of long names: a chain's name has at most 28 characters.
func chainHash(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "")))
	return base32.StdEncoding.EncodeToString(h[:])[:16]
}

// serviceName returns the service's name in a cluster.
func serviceName(s *service.Service) string {
	return fmt.Sprintf("kxlab/%s:%s-%d", s.VIP.Addr(), protoName(s.Proto), s.VIP.Port())
}

func svcChain(s *service.Service) string {
	return "KUBE-SVC-" + chainHash(serviceName(s), protoName(s.Proto))
}

func sepChain(s *service.Service, b service.Backend) string {
	return "KUBE-SEP-" + chainHash(serviceName(s), protoName(s.Proto), b.Addr.String())
}

// svcChains returns the chains of a service: none without serving backends, as the table filter then rejects it.
func svcChains(s *service.Service) []string {
	backends := serving(s)
	if len(backends) == 0 {
		return nil
	}
	out := []string{svcChain(s)}
	for _, b := range backends {
		out = append(out, sepChain(s, b))
	}
	return out
}

// iptablesSync returns the input of iptables-restore that sets exactly the services, all of one IP family. unused are
// chains that are no longer used. whole: the tables are replaced (without --noflush).
func iptablesSync(services []service.Service, unused []string, whole bool) []byte {
	var b bytes.Buffer
	b.WriteString("*filter\n")
	writeBuiltin(&b, whole, "INPUT", "FORWARD", "OUTPUT")
	b.WriteString(":" + chainServices + " - [0:0]\n:" + chainForward + " - [0:0]\n")
	if !whole {
		// No other process uses the built-in chains; flushing them keeps the jumps from being doubled.
		b.WriteString("-F FORWARD\n-F OUTPUT\n")
	}
	b.WriteString(`-A FORWARD -m comment --comment "kubernetes forwarding rules" -j ` + chainForward + "\n")
	for _, hook := range [...]string{"FORWARD", "OUTPUT"} {
		b.WriteString("-A " + hook + ` -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j ` +
			chainServices + "\n")
	}
	for i := range services {
		if s := &services[i]; len(serving(s)) == 0 {
			writeReject(&b, "-A", s)
		}
	}
	b.WriteString("-A " + chainForward + " -m conntrack --ctstate INVALID -j DROP\n" +
		"-A " + chainForward + ` -m comment --comment "kubernetes forwarding rules" -m mark --mark ` + masqMark + "/" +
		masqMark + " -j ACCEPT\n" +
		"-A " + chainForward + ` -m comment --comment "kubernetes forwarding conntrack rule"` +
		" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n")

	b.WriteString("*nat\n")
	writeBuiltin(&b, whole, "PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
	for _, c := range [...]string{chainServices, chainPostroute, chainMarkMasq} {
		b.WriteString(":" + c + " - [0:0]\n")
	}
	for i := range services {
		writeChainNames(&b, svcChains(&services[i]))
	}
	if !whole {
		writeChainNames(&b, unused)
		b.WriteString("-F PREROUTING\n-F OUTPUT\n-F POSTROUTING\n")
	}
	for _, hook := range [...]string{"PREROUTING", "OUTPUT"} {
		b.WriteString("-A " + hook + ` -m comment --comment "kubernetes service portals" -j ` + chainServices + "\n")
	}
	b.WriteString(`-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j ` + chainPostroute + "\n" +
		"-A " + chainPostroute + " -m mark ! --mark " + masqMark + "/" + masqMark + " -j RETURN\n" +
		"-A " + chainPostroute + " -j MARK --xor-mark " + masqMark + "\n" +
		"-A " + chainPostroute + ` -m comment --comment "kubernetes service traffic requiring SNAT"` +
		" -j MASQUERADE --random-fully\n" +
		"-A " + chainMarkMasq + " -j MARK --or-mark " + masqMark + "\n")
	for i := range services {
		s := &services[i]
		if len(serving(s)) > 0 {
			writePortal(&b, "-A", s)
			writeServiceRules(&b, s)
		}
	}
	if !whole {
		for _, c := range unused {
			b.WriteString("-X " + c + "\n")
		}
	}
	b.WriteString("COMMIT\n")
	return b.Bytes()
}

// writeBuiltin declares the built-in chains of a table that is replaced.
func writeBuiltin(b *bytes.Buffer, whole bool, chains ...string) {
	if whole {
		for _, c := range chains {
			b.WriteString(":" + c + " ACCEPT [0:0]\n")
		}
	}
}

// iptablesUpdate returns the input that replaces service old by s, both of one address.
func iptablesUpdate(old, s *service.Service) []byte {
	var b bytes.Buffer
	had, has := len(serving(old)) > 0, len(serving(s)) > 0
	if had != has {
		b.WriteString("*filter\n")
		writeReject(&b, map[bool]string{true: "-D", false: "-A"}[has], s)
		b.WriteString("COMMIT\n")
	}
	now := svcChains(s)
	unused := without(svcChains(old), now)
	b.WriteString("*nat\n")
	writeChainNames(&b, now)
	writeChainNames(&b, unused)
	switch {
	case has:
		if !had {
			writePortal(&b, "-A", s)
		}
		writeServiceRules(&b, s)
	case had:
		writePortal(&b, "-D", s)
	}
	for _, c := range unused {
		b.WriteString("-X " + c + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.Bytes()
}

// writeChainNames declares chains, which creates or empties them.
func writeChainNames(b *bytes.Buffer, chains []string) {
	for _, c := range chains {
		b.WriteString(":" + c + " - [0:0]\n")
	}
}

// writePortal writes the rule that matches the service.
func writePortal(b *bytes.Buffer, op string, s *service.Service) {
	proto := protoName(s.Proto)
	fmt.Fprintf(b, "%s %s -m comment --comment \"%s cluster IP\" -m %s -p %s -d %s --dport %d -j %s\n", op, chainServices,
		serviceName(s), proto, proto, s.VIP.Addr(), s.VIP.Port(), svcChain(s))
}

// writeReject writes the rule that rejects new connections to a service without backends.
func writeReject(b *bytes.Buffer, op string, s *service.Service) {
	proto := protoName(s.Proto)
	fmt.Fprintf(b, "%s %s -m comment --comment \"%s has no endpoints\" -m %s -p %s -d %s --dport %d -j REJECT\n", op,
		chainServices, serviceName(s), proto, proto, s.VIP.Addr(), s.VIP.Port())
}

// writeServiceRules writes the random selection of a backend and the translation to each. Rule i sees the packets that
// the rules before it did not match, so its probability is its weight's share of the remaining weights.
func writeServiceRules(b *bytes.Buffer, s *service.Service) {
	name, chain, proto := serviceName(s), svcChain(s), protoName(s.Proto)
	backends := serving(s)
	left := 0
	for _, r := range backends {
		left += r.Weight
	}
	for i, r := range backends {
		fmt.Fprintf(b, "-A %s -m comment --comment \"%s -> %s\"", chain, name, r.Addr)
		if i < len(backends)-1 {
			fmt.Fprintf(b, " -m statistic --mode random --probability %0.10f", float64(r.Weight)/float64(left))
		}
		left -= r.Weight
		fmt.Fprintf(b, " -j %s\n", sepChain(s, r))
	}
	for _, r := range backends {
		sep := sepChain(s, r)
		fmt.Fprintf(b, "-A %s -m comment --comment \"%s\" -s %s -j %s\n", sep, name, r.Addr.Addr(), chainMarkMasq)
		fmt.Fprintf(b, "-A %s -m comment --comment \"%s\" -m %s -p %s -j DNAT --to-destination %s\n", sep, name, proto, proto,
			r.Addr)
	}
}

// without returns the elements of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
