// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// fateRun is a run on a kernel in which variants had fates, by root; what was only loaded is of a workload of its own.
func fateRun(kernel string, fates map[string]harness.Fate) *verdict.Analysis {
	r := &record.Run{Env: record.Env{Complete: true, Experiment: "x"}}
	for _, name := range []string{"sound", "a", "b", "c"} {
		r.Env.Variants = append(r.Env.Variants, harness.Variant{Name: name, Class: "k"})
		fate, ok := fates[name]
		if !ok {
			continue
		}
		for workload, f := range map[string]harness.Fate{"load": min(fate, harness.FateAccepted), "fault": fate} {
			r.Trials = append(r.Trials, harness.Trial{
				Cell:   harness.Cell{Experiment: "x", Workload: workload, Class: "k", Variant: name, Axes: []harness.AxisValue{{Name: "by", Value: "root"}}},
				Result: harness.Result{Metrics: []harness.Metric{{Unit: harness.UnitFate, Value: float64(f)}}, Series: []harness.Series{{Name: harness.SeriesWords, Notes: "because"}}},
			})
		}
	}
	a := &verdict.Analysis{Run: r}
	a.ID.Kernel = kernel
	return a
}

// TestFateGrid: rows that nothing sets apart are left out, a missing cell is a dash, and columns of several runs name their kernels.
func TestFateGrid(t *testing.T) {
	old := fateRun("6.1.0-50", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "b": harness.FateHang})
	now := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "c": harness.FateLeak})
	var out strings.Builder
	if err := WriteFates(&out, []*verdict.Analysis{old, now}, "markdown"); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"6.1 by=root | 7.2 by=root", "| sound | k | harmless | harmless |", "| b | k | hang | – |", "| c | k | – | leak |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(text, "| a |") {
		t.Errorf("a is refused everywhere:\n%s", out.String())
	}
	old.Run.Env.Outcomes = []record.CellOutcome{
		{Cell: "X/workload=fault/class=k/variant=c/by=root", Outcome: harness.OutcomeFailed, Fate: "oops", Reason: "expected otherwise\nconsole"},
	}
	if g, ok := fateGrid([]*verdict.Analysis{old}, true); !ok || len(g.rows) != 4 || g.rows[3][2] != "oops (not as recorded): expected otherwise" {
		t.Errorf("with a cell that failed: %v", g.rows)
	}
	old.Run.Env.Outcomes = nil
	if g, ok := fateGrid([]*verdict.Analysis{old}, true); !ok || len(g.rows) != 3 || g.rows[1][2] != "refused: because" {
		t.Errorf("with words: %v", g.rows)
	}
}

// TestFateSentences: the baseline is no fault, and harmful ones are named.
func TestFateSentences(t *testing.T) {
	a := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "b": harness.FateHang, "c": harness.FateHang})
	by := []harness.AxisValue{{Name: "by", Value: "root"}}
	need := []harness.Answer{{Need: "by root", Workload: "fault", Unit: harness.UnitFate, Where: by}}
	safe := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "b": harness.FateUnnoticed})
	with := func(fate string, complete bool) *verdict.Analysis {
		a := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused})
		a.Run.Env.Complete = complete
		a.Run.Env.Outcomes = []record.CellOutcome{
			{Cell: "X/workload=fault/class=k/variant=b/by=root", Outcome: harness.OutcomeFailed, Fate: fate},
			{Cell: "X/workload=fault/class=k/variant=c/by=root", Outcome: harness.OutcomeNotSupported},
		}
		return a
	}
	for _, tt := range []struct {
		of    *verdict.Analysis
		needs []harness.Answer
		want  string
	}{
		{a, nil, "fault by=root: of 3 faults 2 did harm: 2 hangs (b, c). The others: 1 refused."},
		{a, need, "Yes: by root: of 3 faults 2 did harm: 2 hangs (b, c). The others: 1 refused."},
		{safe, need, "No: by root: of 2 faults none did harm. The others: 1 refused, 1 unnoticed."},
		{with("hang", true), need, "Yes: by root: of 2 faults 1 did harm: 1 hang (b). The others: 1 refused. Otherwise than recorded: b."},
		{with("harmless", true), need, "No: by root: of 2 faults none did harm. The others: 1 refused, 1 harmless. Otherwise than recorded: b."},
		{with("", true), need, "Not known: by root: of 2 faults none did harm. The others: 1 refused, 1 without an outcome (b)."},
		{with("harmless", false), need, "Not known: by root: of 2 faults none did harm. The others: 1 refused, 1 harmless. Otherwise than recorded: b."},
	} {
		tt.of.Run.Env.Answers = tt.needs
		if got := (board{a: tt.of, baseline: "sound"}).fates(); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestFatesOfBaseline: a workload in which only the program without a fault took part says nothing of faults.
func TestFatesOfBaseline(t *testing.T) {
	a := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless})
	a.Run.Env.Baseline = "sound"
	if g, ok := fateGrid([]*verdict.Analysis{a}, true); ok {
		t.Errorf("a matrix of %v", g.rows)
	}
}

// TestFateWeight: a run of few faults, and one with a cell that failed, say less than a whole run, whose commit need not be known.
func TestFateWeight(t *testing.T) {
	all := map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "b": harness.FateHang, "c": harness.FateLeak}
	few := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused})
	few.Run.Env.Commit = "0000000"
	failed := fateRun("7.2.12", all)
	failed.Run.Env.Commit = "0000000"
	failed.Run.Env.Outcomes = []record.CellOutcome{{Cell: "X/workload=fault/class=k/variant=d/by=root", Outcome: harness.OutcomeFailed, Fate: "hang"}}
	whole := fateRun("7.2.12", all)
	for name, less := range map[string]*verdict.Analysis{"few": few, "failed": failed} {
		less.Run.Env.Baseline, whole.Run.Env.Baseline = "sound", "sound"
		if Weight(less) >= Weight(whole) {
			t.Errorf("%s weighs %d, the whole run %d", name, Weight(less), Weight(whole))
		}
	}
}

// TestFatesAreWords: in tables, comparisons and JSON a fate is a word, which has no quotient and no difference; JSON has its number besides.
func TestFatesAreWords(t *testing.T) {
	run := func(b harness.Fate) *verdict.Analysis {
		r := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "b": b}).Run
		r.Env.Target, r.Env.Baseline = harness.TargetExact, "sound"
		r.Env.Workloads = []harness.WorkloadSpec{{Name: "load"}, {Name: "fault", Metrics: []harness.MetricSpec{{Unit: harness.UnitFate, Better: "neither"}}}}
		return verdict.Analyze(r)
	}
	old, now := run(harness.FateRefused), run(harness.FateHang)
	c := mustCompareRuns(t, old.Run, now.Run)
	for name, write := range map[string]func(*strings.Builder) error{
		"report":  func(w *strings.Builder) error { return WriteTables(w, now, "text") },
		"compare": func(w *strings.Builder) error { return WriteComparison(w, c, "text") },
		"changes": func(w *strings.Builder) error { return WriteChanges(w, c, "text") },
		"json":    func(w *strings.Builder) error { return WriteTables(w, now, "json") },
		"rows":    func(w *strings.Builder) error { return WriteComparison(w, c, "json") },
		"junit":   func(w *strings.Builder) error { return WriteComparison(w, c, "junit") },
	} {
		var out strings.Builder
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		want := map[string]string{
			"report": "b k hang 1 (", "compare": "k/b/by=root refused hang – – 1+1 worse", "changes": "k/b/by=root refused hang fate – worse",
			"json": `"fate": "hang"`, "rows": `"old_fate": "refused", "new_fate": "hang", "verdict": "worse"`, "junit": "worse: old refused, new hang<",
		}[name]
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", name, want, out.String())
		}
		for _, not := range []string{" x 0", " x 3", "+0 fate", "+0.0 %", "one trial ("} {
			if strings.Contains(text, not) {
				t.Errorf("%s: %q in\n%s", name, not, out.String())
			}
		}
	}
}
