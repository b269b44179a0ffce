// SPDX-License-Identifier: Apache-2.0

package workload_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/attach"
	"github.com/kxlab/kxlab/harness/workload"
)

// shipped returns every variant of the shipped load balancer experiment as a member of a group.
func shipped(t *testing.T) []harness.Member {
	t.Helper()
	e, err := experiments.Open("lb", experiments.Vocabulary{Methods: attach.Methods(), Settings: attach.Settings(), Families: workload.Families()})
	if err != nil {
		t.Fatal(err)
	}
	attacher := attach.New(attach.Options{Log: func(s string) { t.Log(s) }})
	var out []harness.Member
	for _, v := range e.Variants {
		out = append(out, harness.Member{Name: v.Name, Variant: v,
			Put: func(ctx context.Context, at harness.Site) (harness.Extension, error) { return attacher.Put(ctx, v, at) }})
	}
	return out
}

// TestGate runs the correctness gate on every shipped variant, for both families of addresses. No variant may be absent
// on a kernel that has been seen to run all of them.
func TestGate(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and BPF")
	}
	for _, family := range []string{"4", "6"} {
		t.Run("ip="+family, func(t *testing.T) {
			stage, err := workload.LB{}.Prepare(t.Context(), harness.Group{
				Axes: []harness.AxisValue{{Name: "services", Value: "3"}, {Name: "ip", Value: family}}, Members: shipped(t), Seed: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stage.Close(); err != nil {
					t.Error(err)
				}
			}()
			for _, m := range shipped(t) {
				t.Run(m.Name, func(t *testing.T) {
					if why, absent := stage.Absent()[m.Name]; absent {
						if _, err := os.Stat("/proc/net/ip_vs"); err != nil && strings.HasPrefix(m.Attach, "ipvs-") {
							t.Skip(why)
						}
						t.Fatalf("not in force: %s", why)
					}
					if err := stage.Check(t.Context(), m.Name); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}
