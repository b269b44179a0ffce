// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// firstTrials leaves only the first trials of each cell.
func firstTrials(r *record.Run) *record.Run {
	r.Trials = harness.Filter(r.Trials, func(t harness.Trial) bool { return t.Repeat == 0 })
	return r
}

// TestWriteGaps: rows that were not judged and a run that ended early are named in every format, also among changes only.
func TestWriteGaps(t *testing.T) {
	a, b := synthetic.ExactPair(1, 1, 0)
	blind := mustCompareRuns(t, firstTrials(a), firstTrials(b))
	a, b = synthetic.ExactPair(1, 1, 0)
	b.Env.Complete, b.Env.Plan, b.Dir = false, 1000, "new"
	ended := mustCompareRuns(t, a, b)
	for _, tt := range []struct {
		what  string
		c     *verdict.Comparison
		says  string
		fails int
	}{
		{"one trial", blind, "rows were not judged: ", 1},
		{"ended", ended, "new is incomplete: ", 1},
	} {
		for _, format := range ChangeFormats() {
			var changes, whole strings.Builder
			if err := WriteChanges(&changes, tt.c, format); err != nil || !strings.Contains(changes.String(), tt.says) {
				t.Errorf("%s, %s: %v, changes %q", tt.what, format, err, changes.String())
			}
			if err := WriteComparison(&whole, tt.c, format); err != nil || !strings.Contains(whole.String(), tt.says) {
				t.Errorf("%s, %s: %v, %q", tt.what, format, err, whole.String())
			}
		}
		var out strings.Builder
		if err := WriteComparison(&out, tt.c, "json"); err != nil || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%s, json: %v, %s", tt.what, err, out.String())
		}
		out.Reset()
		var s junitSuite
		if err := WriteComparison(&out, tt.c, "junit"); err != nil {
			t.Error(err)
		} else if err := xml.Unmarshal([]byte(out.String()), &s); err != nil || s.Failures != tt.fails || s.Tests != len(s.Cases) {
			t.Errorf("%s, junit: %v, %d failures, want %d; %d tests, %d cases", tt.what, err, s.Failures, tt.fails, s.Tests, len(s.Cases))
		}
	}
}

// TestLeastText: no figure stands there twice.
func TestLeastText(t *testing.T) {
	ratio := func(floor, can float64) verdict.Row {
		return verdict.Row{Unit: "switch/s", Compare: harness.CompareRatio, Floor: floor, Findable: can}
	}
	difference := func(floor, can float64) verdict.Row {
		return verdict.Row{Unit: "switch/s", Compare: harness.CompareDifference, Floor: floor, Findable: can}
	}
	for _, tt := range []struct {
		rows []verdict.Row
		want string
	}{
		{[]verdict.Row{difference(0.266, 0.266), ratio(0.266, 0.266)}, "least difference 0.266 switch/s or 26.6 %, which the middle row can show"},
		{[]verdict.Row{difference(0.266, 0.266), ratio(0.266, 0.3)}, "least difference 0.266 switch/s or 26.6 %, the middle row can show 30.0 %"},
		{[]verdict.Row{difference(0.266, 0.5), ratio(0.266, 0.3)}, "least difference 0.266 switch/s or 26.6 %, the middle row can show 30.0 % or 0.500 switch/s"},
		{[]verdict.Row{ratio(0.005, 0.01)}, "least difference 0.5 %, the middle row can show 1.0 %"},
		{[]verdict.Row{ratio(0.03, 0)}, "least difference 3.0 %"},
	} {
		if got := leastText(tt.rows); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestLongNumbers: no number is hundreds of characters wide.
func TestLongNumbers(t *testing.T) {
	for _, v := range []float64{1e300, -1e300, 1e-300, -1e-320, 1e100, 1e15} {
		for what, text := range map[string]string{"fine": fine(v), "digits": unit.Digits(v), "percent": unit.Percent(v, true),
			"share": verdict.DifferenceText("retrans-share", v), "difference": verdict.DifferenceText("insn/op", v)} {
			if len(text) > 30 {
				t.Errorf("%s of %g: %d characters: %s…", what, v, len(text), text[:30])
			}
		}
	}
	if got := unit.Digits(123456789012345); got != "123,456,789,012,345" {
		t.Errorf("%s", got)
	}
}
