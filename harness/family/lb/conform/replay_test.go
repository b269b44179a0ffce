// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// TestReplay: what a replay returns is the same whomever a balancer chooses, and differs if it changes anything else.
func TestReplay(t *testing.T) {
	everywhere(t, func(t *testing.T, class string, v6 bool) {
		if class == harness.ClassCeiling {
			return
		}
		seen := func(b broken) [][]byte {
			_, j := newModel(class, v6, b)
			out, err := j.replay(t.Context(), 7, 500)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		want := seen(broken{})
		other := seen(broken{pick: func(m *model, in *packet) (service.Backend, bool) {
			return m.service.Backends[int(in.from.Port()+1)%4], true
		}})
		if diff := cmp.Diff(want, other); diff != "" {
			t.Errorf("another choice of backends shows (-want +got)\n%s", diff)
		}
		spoilt := seen(after(func(_ *model, in *packet, f []byte) []byte {
			if in.proto == protoUDP && len(payload(in)) == 1 {
				f[len(f)-1] ^= 1
				if class == "nat" {
					p, _ := parse(f)
					if !isUnsummed(&p) {
						setTransportSum(p.from.Addr(), p.to.Addr(), p.proto, p.segment)
					}
				}
			}
			return f
		}))
		if slices.EqualFunc(want, spoilt, bytes.Equal) {
			t.Error("a changed payload does not show")
		}
		lossy := seen(drop(is(protoUDP, "")))
		if slices.EqualFunc(want, lossy, bytes.Equal) {
			t.Error("lost packets do not show")
		}
	})
}
