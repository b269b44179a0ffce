// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"maps"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// Methods returns the ways to put the kernel's own balancers in force.
func Methods() harness.Methods[service.Balancer] {
	iptables := func(backend string) harness.Method[service.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newIPTables(v, at, backend)
		}
	}
	ipvs := func(f ipvsForward) harness.Method[service.Balancer] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newIPVS(v, at, f)
		}
	}
	return harness.Methods[service.Balancer]{
		"iptables": iptables("legacy"), "iptables-nft": iptables("nft"),
		"nftables": func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newNFTables(v, at)
		},
		"forward": func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newForward(v, at)
		},
		"ipvs-nat": ipvs(ipvsMasquerade), "ipvs-tun": ipvs(ipvsTunnel), "ipvs-dr": ipvs(ipvsDirect),
	}
}

// Settings returns the values of each setting, for each method with settings (harness.Variant.Settings).
func Settings() map[string]map[string][]string {
	s := map[string][]string{"scheduler": slices.Sorted(maps.Keys(ipvsSchedulers()))}
	return map[string]map[string][]string{"ipvs-nat": s, "ipvs-tun": s, "ipvs-dr": s}
}
