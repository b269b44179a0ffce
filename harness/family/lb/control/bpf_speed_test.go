// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/labtest"
)

// TestSyncIsFast: 10,000 services of 4 backends each, no two sets equal, and one change among them. The bounds are
// many times what a slow machine takes.
func TestSyncIsFast(t *testing.T) {
	site := labtest.BpfSite(t)
	ctx := context.Background()
	for _, object := range []string{"lb/xdp_ipip", "lb/xdp_jet"} {
		// No two services share a ring here: rings of the usual size would not fit.
		b, err := Methods(bpfobj.New(bpfobj.Options{})).Put(ctx, harness.Variant{Attach: "xdp", Object: object,
			Knobs: []harness.Knob{{Name: "ring_size", Value: 1021}}}, site)
		if err != nil {
			t.Fatal(err)
		}
		var all []service.Service
		for i := range 30000 {
			all = append(all, testService(i, testBackend(i%240, 1), testBackend(i/240%240, 2), testBackend(240, 1), testBackend(241+i%7, 1)))
			if i%240 == i/240%240 {
				all[i].Backends = all[i].Backends[1:]
			}
		}
		took := func(what string, most time.Duration, f func() error) {
			start := time.Now()
			if err := f(); err != nil {
				t.Fatalf("%s: %s: %v", object, what, err)
			}
			d := time.Since(start)
			t.Logf("%s: %s: %s", object, what, d)
			if d > most {
				t.Errorf("%s: %s took %s, more than %s", object, what, d, most)
			}
		}
		took("10,000 services", 5*time.Second, func() error { return b.Sync(ctx, all[:10000]) })
		took("30,000 services", 10*time.Second, func() error { return b.Sync(ctx, all) })
		took("the same again", 2*time.Second, func() error { return b.Sync(ctx, all) })
		took("1,000 changes", 10*time.Second, func() error {
			for i := range 1000 {
				s := all[i*7]
				s.Backends = append([]service.Backend{testBackend(249, 1)}, s.Backends[1:]...)
				if err := b.Update(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
		took("flush", 5*time.Second, func() error { return b.Flush(ctx) })
		b.Close()
	}
}
