// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"errors"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// Two runs of the same tree must show no difference in at least 19 of 20 rows, whatever the noise and the drift, and
// a gate must seldom fire at all.
func TestCompareSameTree(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		noise, between, drift2 float64
	}{
		{"quiet", 0.005, 0, 1},
		{"two percent", 0.02, 0, 1},
		{"machine slower by a fifth", 0.02, 0, 1.2},
		{"every cell moves between runs", 0.02, 0.03, 0.9},
		{"very noisy", 0.15, 0.05, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, different, fired := 0, 0, 0
			const pairs = 60
			for i := range uint64(pairs) {
				a := synthetic.Spec{Seed: 2 * i, Repeats: 5, Noise: tt.noise, Between: tt.between}.Run()
				b := synthetic.Spec{Seed: 2*i + 1, Repeats: 5, Noise: tt.noise, Between: tt.between, Drift: tt.drift2}.Run()
				c := mustCompare(t, a, b, CompareOptions{})
				rows += len(c.Rows)
				different += c.Count(Better) + c.Count(Worse)
				if c.Gate() {
					fired++
				}
			}
			t.Logf("%d of %d rows different, gate fired in %d of %d", different, rows, fired, pairs)
			if different*20 > rows {
				t.Errorf("%d of %d rows are called different", different, rows)
			}
			if fired*10 > pairs {
				t.Errorf("the gate fired in %d of %d comparisons of the same tree", fired, pairs)
			}
		})
	}
}

func TestCompareFindsSlowdown(t *testing.T) {
	for _, tt := range []struct {
		between, drift float64
	}{{0, 1}, {0.01, 1}, {0, 0.85}} {
		found, missed, others := 0, 0, 0
		const pairs = 40
		for i := range uint64(pairs) {
			a := synthetic.Spec{Seed: 1000 + 2*i, Repeats: 5, Noise: 0.02, Between: tt.between}.Run()
			b := synthetic.Spec{Seed: 1001 + 2*i, Repeats: 5, Noise: 0.02, Between: tt.between, Drift: tt.drift,
				Slow: map[string]float64{"xdp-jet": 1 / 0.9}}.Run()
			c := mustCompare(t, a, b, CompareOptions{})
			if !c.Gate() {
				missed++
			}
			for _, r := range c.Rows {
				switch {
				case r.Cell.Variant == "xdp-jet" && r.Verdict == Worse:
					found++
				case r.Cell.Variant != "xdp-jet" && r.Verdict == Worse:
					others++
				}
			}
		}
		t.Logf("between %v drift %v: gate missed %d of %d; %d of %d slow rows found; %d other rows called worse",
			tt.between, tt.drift, missed, pairs, found, pairs*7, others)
		if missed > 1 {
			t.Errorf("a slow-down of 10 %% was missed in %d of %d comparisons", missed, pairs)
		}
		if found < pairs*7/2 {
			t.Errorf("only %d of %d slow rows were found", found, pairs*7)
		}
	}
}

// TestCompareSome: who asks about one workload gets its rows only, and smaller p values than among all.
func TestCompareSome(t *testing.T) {
	a, b := synthetic.Spec{Seed: 1, Repeats: 6, Noise: 0.02}.Run(), synthetic.Spec{Seed: 2, Repeats: 6, Noise: 0.02, Slow: map[string]float64{"xdp-nat": 1.1}}.Run()
	all, some := mustCompare(t, a, b, CompareOptions{}), mustCompare(t, a, b, CompareOptions{Workloads: []string{"pps"}})
	if len(some.Rows) == 0 || len(some.Rows) >= len(all.Rows) {
		t.Fatalf("%d rows of %d", len(some.Rows), len(all.Rows))
	}
	for _, r := range some.Rows {
		if r.Cell.Workload != "pps" {
			t.Errorf("a row of workload %s", r.Cell.Workload)
		}
	}
	if _, err := Compare(a, b, CompareOptions{Workloads: []string{"pp"}}); err == nil || !strings.Contains(err.Error(), `unknown workload "pp"`) {
		t.Errorf("an unknown workload: %v", err)
	}
}

func TestCompareRefuses(t *testing.T) {
	base := synthetic.Spec{Repeats: 2}.Run()
	for what, change := range map[string]func(*record.Env){
		"kernel":     func(e *record.Env) { e.Kernel = "9.9" },
		"target":     func(e *record.Env) { e.Target = "vm" },
		"CPU":        func(e *record.Env) { e.CPU = "another" },
		"experiment": func(e *record.Env) { e.Experiment = "cc" },
	} {
		other := synthetic.Spec{Repeats: 2}.Run()
		change(&other.Env)
		_, err := Compare(base, other, CompareOptions{})
		if !errors.Is(err, errIncomparable) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if what == "kernel" {
			if _, err := Compare(base, other, CompareOptions{Kernels: true}); err != nil {
				t.Errorf("kernel against kernel: %v", err)
			}
		}
	}
}

func TestCompareTooFew(t *testing.T) {
	c := mustCompare(t, synthetic.Spec{Seed: 1, Repeats: 3, Noise: 0.01}.Run(), synthetic.Spec{Seed: 2, Repeats: 3, Noise: 0.01, Drift: 2}.Run(), CompareOptions{})
	for _, r := range c.Rows {
		if r.Verdict != TooFew || r.Note == "" {
			t.Errorf("%s: %q %q", r.Name, r.Verdict, r.Note)
		}
	}
}

func TestCompareExact(t *testing.T) {
	for seed := range uint64(20) {
		a, b := synthetic.ExactPair(seed, 1, 0)
		if c := mustCompare(t, a, b, CompareOptions{}); c.Count(same) != len(c.Rows) {
			t.Errorf("seed %d: the same digits twice: %s", seed, c.Summary())
		}
		a, b = synthetic.ExactPair(seed, 1.013, 0.0005) // 20 of 1,500 instructions
		c := mustCompare(t, a, b, CompareOptions{})
		for _, r := range c.Rows {
			if want := r.Cell.Variant == "xdp-jet"; (r.Verdict == Worse) != want {
				t.Errorf("seed %d: %s %s is called %q (%.2f %%, p %v)", seed, r.Name, r.Unit, r.Verdict, 100*r.Delta, r.P)
			}
		}
	}
	a, b := synthetic.ExactPair(1, 1, 0)
	b.Env.Seed = 2
	if _, err := Compare(a, b, CompareOptions{}); !errors.Is(err, errIncomparable) {
		t.Errorf("other seeds: %v", err)
	}
}

func mustCompare(t *testing.T, a, b *record.Run, o CompareOptions) *Comparison {
	t.Helper()
	c, err := Compare(a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
