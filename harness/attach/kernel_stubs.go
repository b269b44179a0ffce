// SPDX-License-Identifier: Apache-2.0

package attach

import "github.com/kxlab/kxlab/harness"

// Places of the kernel's own balancers; each goes when its file comes.

func newIPTables(v harness.Variant, at harness.Site, backend string) (harness.Balancer, error) {
	return nil, harness.Skip("iptables: not built yet")
}

func newNFTables(v harness.Variant, at harness.Site) (harness.Balancer, error) {
	return nil, harness.Skip("nftables: not built yet")
}

func newForward(v harness.Variant, at harness.Site) (harness.Balancer, error) {
	return nil, harness.Skip("forward: not built yet")
}
