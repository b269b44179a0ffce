// SPDX-License-Identifier: Apache-2.0

package kernel

import "sigs.k8s.io/knftables"

// The names of the table's set and maps, and of the chains that rules of services name.
const (
	nftClusterIPs  = "cluster-ips"
	nftServiceIPs  = "service-ips"
	nftNoEndpoints = "no-endpoint-services"
	nftFirewallIPs = "firewall-ips"
	nftMarkChain   = "mark-for-masquerade"
	nftRejectChain = "reject-chain"
)

// An nftChain is a chain of the table with its rules.
type nftChain struct {
	knftables.Chain
	rules []knftables.Rule
}

// nftChains are the chains of kube-proxy that do not depend on services.
func nftChains(w nftWords) []nftChain {
	chain := func(name string, rules ...string) nftChain {
		c := nftChain{Chain: knftables.Chain{Name: name}}
		for _, r := range rules {
			c.rules = append(c.rules, knftables.Rule{Chain: name, Rule: r})
		}
		return c
	}
	base := func(name string, kind knftables.BaseChainType, hook knftables.BaseChainHook, at knftables.BaseChainPriority,
		rules ...string) nftChain {
		c := chain(name, rules...)
		c.Type, c.Hook, c.Priority = &kind, &hook, &at
		return c
	}
	lookUp := func(m string) string {
		return knftables.Concat(w.family, "daddr . meta l4proto . th dport vmap", "@", m)
	}
	unused := chain("cluster-ips-check", knftables.Concat(w.family, "daddr", "@", nftClusterIPs, "reject"))
	unused.rules[0].Comment = knftables.PtrTo("no such port of a ClusterIP")
	const (
		nat, filter = knftables.NATType, knftables.FilterType
		// kube-proxy's: before and after the kernel's filter and the translation of destinations.
		preDNAT, postDNAT = "-110", "-90"
		toFirewall        = "ct state new jump firewall-check"
		toEndpoints       = "ct state new jump service-endpoints-check"
		toClusterIPs      = "ct state new jump cluster-ips-check"
	)
	return []nftChain{
		chain(nftMarkChain, "mark set mark or "+masqMark),
		chain("masquerading", "mark and "+masqMark+" == 0 return", "mark set mark xor "+masqMark, "masquerade fully-random"),
		chain(nftRejectChain, "reject"),
		chain("firewall-check", lookUp(nftFirewallIPs)),
		chain("service-endpoints-check", lookUp(nftNoEndpoints)),
		unused,
		chain("services", lookUp(nftServiceIPs)),
		base("filter-prerouting", filter, knftables.PreroutingHook, preDNAT, toFirewall),
		base("filter-input", filter, knftables.InputHook, preDNAT, toEndpoints),
		base("filter-forward", filter, knftables.ForwardHook, preDNAT, toEndpoints, toClusterIPs),
		base("filter-output", filter, knftables.OutputHook, preDNAT, toEndpoints, toFirewall),
		base("filter-output-post-dnat", filter, knftables.OutputHook, postDNAT, toClusterIPs),
		base("nat-prerouting", nat, knftables.PreroutingHook, knftables.DNATPriority, "jump services"),
		base("nat-output", nat, knftables.OutputHook, "-100", "jump services"),
		base("nat-postrouting", nat, knftables.PostroutingHook, knftables.SNATPriority, "jump masquerading"),
	}
}
