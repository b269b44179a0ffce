// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"maps"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// KernelMethods are the ways to put the kernel's own balancers in force.
func KernelMethods() harness.Methods[harness.Balancer] {
	iptables := func(backend string) harness.Method[harness.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (harness.Balancer, error) {
			return newIPTables(v, at, backend)
		}
	}
	ipvs := func(f ipvsForward) harness.Method[harness.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (harness.Balancer, error) {
			return newIPVS(v, at, f)
		}
	}
	return harness.Methods[harness.Balancer]{
		"iptables": iptables("legacy"), "iptables-nft": iptables("nft"),
		"nftables": func(_ context.Context, v harness.Variant, at harness.Site) (harness.Balancer, error) {
			return newNFTables(v, at)
		},
		"forward": func(_ context.Context, v harness.Variant, at harness.Site) (harness.Balancer, error) {
			return newForward(v, at)
		},
		"ipvs-nat": ipvs(ipvsMasquerade), "ipvs-tun": ipvs(ipvsTunnel), "ipvs-dr": ipvs(ipvsDirect),
	}
}

// KernelSettings are what Variant.Settings may hold: the values of each setting of each method that has any.
func KernelSettings() map[string]map[string][]string {
	s := map[string][]string{"scheduler": slices.Sorted(maps.Keys(ipvsSchedulers()))}
	return map[string]map[string][]string{"ipvs-nat": s, "ipvs-tun": s, "ipvs-dr": s}
}
