// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// published opens a run of results/.
func published(t *testing.T, name string) *record.Run {
	t.Helper()
	r, err := record.Open("../../results/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// edit changes every value of a unit in the trials that are chosen.
func edit(r *record.Run, unit string, chosen func(harness.Trial) bool, change func(t harness.Trial, v float64) float64) *record.Run {
	for i := range r.Trials {
		t := &r.Trials[i]
		for j := range t.Result.Metrics {
			if m := &t.Result.Metrics[j]; m.Unit == unit && chosen(*t) {
				m.Value = change(*t, m.Value)
			}
		}
	}
	return r
}

// once keeps the first trial of each cell.
func once(r *record.Run) *record.Run {
	r.Trials = slices.DeleteFunc(r.Trials, func(t harness.Trial) bool { return t.Repeat > 0 })
	return r
}

func variant(name string) func(harness.Trial) bool {
	return func(t harness.Trial) bool { return t.Cell.Variant == name }
}

// addUnit gives all trials of a workload one more unit with a value of 0.
func addUnit(r *record.Run, workload string, m harness.MetricSpec) *record.Run {
	for i := range r.Env.Workloads {
		if w := &r.Env.Workloads[i]; w.Name == workload {
			w.Metrics = append(w.Metrics, m)
		}
	}
	for i := range r.Trials {
		if t := &r.Trials[i]; t.Cell.Workload == workload {
			t.Result.Metrics = append(t.Result.Metrics, harness.Metric{Unit: m.Unit})
		}
	}
	return r
}

// TestPublished: changes made to copies of published runs, and what the gate says.
func TestPublished(t *testing.T) {
	retrans := harness.MetricSpec{Unit: "retrans-share", Better: "lower", Compare: harness.CompareDifference, Least: 0.002}
	broken := harness.MetricSpec{Unit: "broken/op", Better: "lower", Compare: harness.CompareDifference, Least: 1}
	for _, tt := range []struct {
		name     string
		old, new func() *record.Run
		gate     bool
		worse    string // a part of the name of each row that is worse
		says     string // a drift's text
	}{
		{name: "nothing", old: func() *record.Run { return published(t, "lb-quick") }, new: func() *record.Run { return published(t, "lb-quick") }},
		{name: "a share of 0, 0, 0, 0, 2 % becomes 2 % under every seed",
			old: func() *record.Run {
				return edit(addUnit(published(t, "lb-exact"), "rr", retrans), "retrans-share", func(harness.Trial) bool { return true },
					func(t harness.Trial, _ float64) float64 { return map[bool]float64{true: 0.02}[t.Repeat == 4] })
			},
			new: func() *record.Run {
				return edit(edit(addUnit(published(t, "lb-exact"), "rr", retrans), "retrans-share", func(harness.Trial) bool { return true },
					func(t harness.Trial, _ float64) float64 { return map[bool]float64{true: 0.02}[t.Repeat == 4] }),
					"retrans-share", variant("xdp-nat"), func(harness.Trial, float64) float64 { return 0.02 })
			}, gate: true, worse: "variant=xdp-nat"},
		{name: "broken connections where there were none",
			old: func() *record.Run { return addUnit(published(t, "lb-quick"), "rr", broken) },
			new: func() *record.Run {
				return edit(addUnit(published(t, "lb-quick"), "rr", broken), "broken/op", variant("xdp-nat"),
					func(t harness.Trial, _ float64) float64 { return []float64{2992, 12, 9000, 500, 4000}[t.Repeat] })
			}, gate: true, worse: "variant=xdp-nat"},
		{name: "one trial a cell on target exact",
			old: func() *record.Run { return once(published(t, "cc-wide")) },
			new: func() *record.Run {
				return edit(once(published(t, "cc-wide")), "bit/s", variant("bbr"), func(_ harness.Trial, v float64) float64 { return v / 1.65 })
			}},
		{name: "all ceilings are slower by a fifth",
			old: func() *record.Run { return published(t, "lb-quick") },
			new: func() *record.Run {
				return edit(published(t, "lb-quick"), "pkt/s", func(t harness.Trial) bool { return t.Cell.Class == harness.ClassCeiling && t.Cell.Axis("rate") == "0" },
					func(_ harness.Trial, v float64) float64 { return v / 1.2 })
			}, gate: true, worse: "class=ceiling", says: "drift not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mustCompare(t, tt.old(), tt.new(), CompareOptions{})
			if c.Gate() != tt.gate {
				t.Errorf("gate fires: %v, want %v: %s", c.Gate(), tt.gate, c.Summary())
			}
			for _, r := range c.Rows {
				if r.Verdict == Better || r.Verdict == Worse && !strings.Contains(r.Name, tt.worse) {
					t.Errorf("%s %s: %s (%v, p %v)", r.Name, r.Unit, r.Verdict, r.Delta, *r.P)
				}
			}
			said := ""
			for _, d := range c.Drifts {
				said += d.String() + "\n"
			}
			if !strings.Contains(said, tt.says) {
				t.Errorf("drifts: %s\nwant %q", said, tt.says)
			}
		})
	}
}
