// SPDX-License-Identifier: Apache-2.0

package sched_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/sched"
)

// TestSched runs every workload of the scheduler experiment for a moment under the kernel's own scheduler, which any
// kernel has, and holds what it reports against the definition. In the guest of TestSchedulersInGuest it checks the gate, too, whose time
// limits a load on this machine would break.
func TestSched(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a namespace and for threads of more than ordinary weight")
	}
	e, err := experiments.Open("sched", experiments.Vocabulary{Families: map[string]harness.Family{"sched": sched.Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(e.Variants, func(v harness.Variant) bool { return v.Name == "eevdf" })
	stage, err := sched.Family{Loader: bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), harness.Group{Members: []harness.Member{{
		Name: "eevdf", Variant: e.Variants[i],
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stage.Close(); err != nil {
			t.Error(err)
		}
	}()
	if os.Getenv("KXLAB_TEST_GUEST") != "" {
		if err := stage.Check(t.Context(), "eevdf"); err != nil {
			t.Errorf("gate: %v", err)
		}
	}
	for _, w := range e.Workloads {
		t.Run(w.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			began := time.Now()
			c := harness.Cell{Experiment: "sched", Workload: w.Name, Class: "general", Variant: "eevdf"}
			for _, a := range w.Axes {
				c.Axes = append(c.Axes, harness.AxisValue{Name: a.Name, Value: a.Values[len(a.Values)-1]})
			}
			r, err := stage.Measure(ctx, c, harness.Budget{Warm: 5 * time.Millisecond, Measure: 60 * time.Millisecond, Seed: 1})
			if errors.Is(err, harness.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil || r.Invalid != "" {
				t.Fatal(err, r.Invalid)
			}
			t.Logf("%v: %+v", time.Since(began).Round(time.Millisecond), r.Metrics)
			for _, m := range r.Metrics {
				if !slices.ContainsFunc(w.Metrics, func(s harness.MetricSpec) bool { return s.Unit == m.Unit }) {
					t.Errorf("%s is not declared", m.Unit)
				}
				if m.Value < 0 || m.Value != m.Value {
					t.Errorf("%s is %v", m.Unit, m.Value)
				}
			}
		})
	}
}
