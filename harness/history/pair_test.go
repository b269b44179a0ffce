// SPDX-License-Identifier: Apache-2.0

package history

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

// places are where steps are: at and since of each, the newest first, with what is said beside them.
func places(changes []Change) (out [][2]int) {
	for _, c := range changes {
		if len(c.Steps) > 0 {
			out = append(out, [2]int{c.At, c.Since})
		}
	}
	return out
}

// TestKernelBack: a kernel that comes for a commit, or comes and goes, hides no step, and makes none; a step that was found on one kernel is not
// found once more on the next.
func TestKernelBack(t *testing.T) {
	for name, tt := range map[string]struct {
		kernels string // a letter a commit
		values  []float64
		want    [][2]int
	}{
		"one commit":       {"aaaaaaaaba", []float64{1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1100}, [][2]int{{9, 7}}},
		"its own level":    {"aaabaa", []float64{1000, 1000, 1000, 1200, 1000, 1000}, [][2]int{{3, 2}}},
		"alternate":        {"ababab", []float64{1000, 1100, 1000, 1100, 1000, 1100}, [][2]int{{1, 0}}},
		"found on another": {"aabbbaa", []float64{1000, 1000, 1000, 1000, 1100, 1100, 1100}, [][2]int{{4, 3}}},
		"two":              {"aabbbaa", []float64{1000, 1000, 1000, 1000, 1100, 1320, 1320}, [][2]int{{5, 1}, {4, 3}}},
	} {
		entries := invented(len(tt.values), 1, 2, harness.TargetExact, func(c, k, r int) float64 { return tt.values[c] })
		for i := range entries {
			entries[i].Runs[0].Kernel = tt.kernels[i : i+1]
		}
		got := line(entries).Changes(Options{})
		if diff := cmp.Diff(tt.want, places(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, c := range got {
			if same := entries[c.At].Runs[0].Kernel == entries[c.Since].Runs[0].Kernel; same != (len(c.Environment) == 0) {
				t.Errorf("%s: between %d and %d: %q", name, c.Since, c.At, c.Environment)
			}
		}
	}
}

// TestOddRepeat: a commit whose repeats moved apart hides no step, and makes none; a series whose repeats stay apart is searched on.
func TestOddRepeat(t *testing.T) {
	for name, tt := range map[string]struct {
		odd, until int
		step       int // the commit from which all is 5 % more
		want       [][2]int
	}{
		"at the step":     {10, 11, 10, [][2]int{{11, 9}}},
		"before the step": {10, 11, 11, [][2]int{{11, 9}}},
		"no step":         {10, 11, 99, nil},
		"later step":      {10, 11, 15, [][2]int{{15, 14}}},
	} {
		entries := invented(20, 1, 2, harness.TargetExact, func(c, k, r int) float64 {
			v := 1000.0
			if c >= tt.step {
				v = 1050
			}
			if r == 0 && c >= tt.odd && c < tt.until {
				v += 1000
			}
			return v
		})
		if diff := cmp.Diff(tt.want, places(line(entries).Changes(Options{}))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOtherLab: another commit of the lab is named beside a step, unless each commit measured itself, and makes no change alone.
func TestOtherLab(t *testing.T) {
	change := func(step int, labs ...string) []string {
		t.Helper()
		entries := invented(4, 1, 2, harness.TargetExact, func(c, k, r int) float64 { return float64(1000 + 100*(c/step)) })
		for i := range entries {
			entries[i].Runs[0].Lab = labs[min(i, len(labs)-1)]
			if labs[0] == "own" {
				entries[i].Runs[0].Lab = commit(i)
			}
		}
		got := line(entries).Changes(Options{})
		if len(got) == 0 {
			return nil
		}
		return got[0].Lab
	}
	old, new := strings.Repeat("a", 40), strings.Repeat("b", 40)
	if got := change(3, old, old, old, new); !slices.Equal(got, []string{"aaaaaaaaaa → bbbbbbbbbb"}) {
		t.Errorf("another lab: %q", got)
	}
	for name, got := range map[string][]string{"the same": change(3, old), "each its own": change(3, "own"), "not known": change(3, old, old, old, ""), "no step": change(9, old, old, old, new)} {
		if len(got) != 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestBetter: where two files say different things about what is better, a step has no better way, and a remark names the fewer.
func TestBetter(t *testing.T) {
	entries := invented(6, 1, 2, harness.TargetExact, func(c, k, r int) float64 { return float64(1000 + 100*(c/5)) })
	entries[5].Runs[0].Better = map[string]int{"insn/pkt": 1}
	l := line(entries)
	got := l.Changes(Options{})
	if len(got) != 1 || got[0].Steps[0].Way != 0 || len(l.Remarks) != 1 || !strings.Contains(l.Remarks[0], commit(5)[:12]) {
		t.Errorf("%+v, %q", got, l.Remarks)
	}
}

// TestJudged: the newest commit is judged where a step would be seen in it.
func TestJudged(t *testing.T) {
	judged := func(n, repeats int, target string, edit func(*Run)) (int, int) {
		entries := invented(n, 1, repeats, target, func(int, int, int) float64 { return 1000 })
		if edit != nil {
			edit(&entries[n-1].Runs[0])
		}
		got, elsewhere := line(entries).Judged()
		return got, len(elsewhere)
	}
	for name, tt := range map[string]struct {
		n, repeats        int
		target            string
		edit              func(*Run)
		judged, elsewhere int
	}{
		"two commits":  {2, 2, harness.TargetExact, nil, 1, 0},
		"one commit":   {1, 2, harness.TargetExact, nil, 0, 0},
		"one repeat":   {2, 1, harness.TargetExact, nil, 0, 0},
		"host":         {2, 2, harness.TargetHost, nil, 0, 0},
		"another seed": {2, 2, harness.TargetExact, func(r *Run) { r.Seed = 9 }, 0, 1},
		"another CPU":  {2, 2, harness.TargetExact, func(r *Run) { r.CPU = "another" }, 0, 1},
		"first of it":  {2, 2, harness.TargetExact, func(r *Run) { r.Experiment = "new" }, 0, 0},
	} {
		if j, e := judged(tt.n, tt.repeats, tt.target, tt.edit); j != tt.judged || e != tt.elsewhere {
			t.Errorf("%s: %d judged, %d elsewhere", name, j, e)
		}
	}
	entries := invented(3, 1, 2, harness.TargetExact, func(int, int, int) float64 { return 1000 })
	entries[2].Runs[0].CPU = "another"
	if l := line(entries); len(l.Remarks) != 1 || !strings.Contains(l.Remarks[0], "a CPU (2 runs), another (1 run)") {
		t.Errorf("two machines: %q", l.Remarks)
	}
	l := Along(entries[:1], []string{commit(0), commit(1), commit(2)})
	if l.Behind() != 2 {
		t.Errorf("%d behind", l.Behind())
	}
}

// TestDrift: many moves below the least effect are one change without a commit to blame; a few, small ones and those that alternate are none.
func TestDrift(t *testing.T) {
	for name, tt := range map[string]struct {
		n     int
		value func(c int) float64
		want  [][2]int // at and since of drifts
	}{
		"long":          {40, func(c int) float64 { return 1000 * math.Pow(1.004, float64(c)) }, [][2]int{{39, 0}}},
		"short":         {12, func(c int) float64 { return 1000 + 4*float64(c) }, [][2]int{{11, 0}}},
		"down, between": {30, func(c int) float64 { return 1000 - 4*float64(min(max(c-10, 0), 8)) }, [][2]int{{18, 10}}},
		"every other":   {30, func(c int) float64 { return 1000 + 4*float64(c/2) }, [][2]int{{28, 1}}},
		"four moves":    {30, func(c int) float64 { return 1000 + 4*float64(min(c, 4)) }, nil},
		"small":         {9, func(c int) float64 { return 1000 + float64(c) }, nil},
		"alternate":     {30, func(c int) float64 { return 1000 + 4*float64(c%2) }, nil},
	} {
		entries := invented(tt.n, 1, 2, harness.TargetExact, func(c, k, r int) float64 { return tt.value(c) })
		changes := line(entries).Changes(Options{})
		var got [][2]int
		for _, c := range changes {
			if c.Drift {
				got = append(got, [2]int{c.At, c.Since})
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || len(got) > 0 && len(changes) != len(got) {
			t.Errorf("%s: %d changes, drifts (-want +got):\n%s", name, len(changes), diff)
		}
	}
}
