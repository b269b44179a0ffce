// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// BenchmarkKernel times the setting of all services and of one, at four backends a service. Sync is of services that
// are there already; the first is told by set-up-sec.
func BenchmarkKernel(b *testing.B) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables", "forward"} {
		for _, n := range []int{1, 1000, 10000, 30000} {
			services := ruledServices(ipv4, n, 1, 1, 1, 1)
			b.Run(fmt.Sprintf("%s/services=%d", method, n), func(b *testing.B) {
				p := newSegmentLab(b, 0)
				lb, err := Methods().Put(b.Context(), harness.Variant{Name: method, Attach: method}, p.at)
				if err != nil {
					b.Fatal(err)
				}
				defer lb.Close()
				b.Run("first", func(b *testing.B) {
					for range b.N {
						if err := lb.Sync(b.Context(), services); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.Run("sync", func(b *testing.B) {
					for range b.N {
						if err := lb.Sync(b.Context(), services); err != nil {
							b.Fatal(err)
						}
					}
				})
				turn := 0
				b.Run("update", func(b *testing.B) {
					for range b.N {
						turn++
						s := ruledService(ipv4, harness.TCP, n-1, 1, 1, 1, -turn%2)
						if err := lb.Update(b.Context(), s); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.Run("inforce", func(b *testing.B) {
					for range b.N {
						if err := lb.InForce(); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}
