// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"slices"
	"testing"
)

// TestEveryCC registers each congestion control twice, side by side, and takes both away again.
func TestEveryCC(t *testing.T) {
	for _, object := range ccObjects(t) {
		t.Run(object, func(t *testing.T) {
			a, b := putCC(t, ccVariant(object)), putCC(t, ccVariant(object))
			if a.Algorithm() == b.Algorithm() {
				t.Errorf("two of one name: %s", a.Algorithm())
			}
			for _, c := range []interface {
				Algorithm() string
				InForce() error
				Counters() (map[string]uint64, error)
				Close() error
			}{a, b} {
				if err := c.InForce(); err != nil {
					t.Error(err)
				}
				if n, err := c.Counters(); err != nil || n["sockets"] != 0 {
					t.Errorf("counters before any socket: %v, %v", n, err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if names, err := availableCC(); err != nil || slices.Contains(names, c.Algorithm()) {
					t.Errorf("after Close the kernel lists %v, %v", names, err)
				}
				if c.InForce() == nil {
					t.Error("in force after Close")
				}
			}
		})
	}
}
