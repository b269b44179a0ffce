// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/conform"
)

// samePackets sends one seeded mix of packets through every variant of a class, in a subtest: the BPF variants must give what the
// kernel's own balancers give, bit for bit but for the choice of the backend.
func samePackets(t *testing.T, stage *stage, members []harness.Member) {
	const packets = 500 // some fifteen of each conversation
	t.Run("same-packets", func(t *testing.T) {
		// The first of each class is what the others are held against: for nat the kernel's.
		want, first := map[string][][]byte{}, map[string]string{"nat": "iptables"}
		for _, m := range members {
			class := m.Variant.Class
			if _, absent := stage.Absent()[m.Name]; absent || class == "socket" || class == harness.ClassCeiling {
				continue
			}
			got, err := conform.Replay(t.Context(), stage.members[m.Name].subject(stage), 7, packets)
			if err != nil {
				t.Errorf("%s: %v", m.Name, err)
				continue
			}
			if want[class] == nil {
				want[class], first[class] = got, m.Name
				lost := 0
				for _, p := range got {
					if p == nil {
						lost++
					}
				}
				t.Logf("%s, which the others of class %s are held against, lost %d of %d", m.Name, class, lost, packets)
				if lost > 0 {
					t.Errorf("%s lost %d of %d packets", m.Name, lost, packets)
				}
			}
			for i := range got {
				if diff := cmp.Diff(want[class][i], got[i]); diff != "" {
					t.Errorf("packet %d (-%s +%s)\n%s", i, first[class], m.Name, diff)
					break
				}
			}
		}
	})
}
