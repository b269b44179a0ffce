// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestWriteAB: the first line answers, with the direction, the size and the verdict.
func TestWriteAB(t *testing.T) {
	for name, c := range map[string]struct {
		slow float64
		want string
	}{
		"worse":  {1.05, "mine.bpf.c has 4.8 % less pkt/s than xdp-jet [-4.8 %, -4.8 %]: worse ("},
		"better": {1 / 1.05, "mine.bpf.c has 4.8 % less sec/pkt than xdp-jet [-4.8 %, -4.8 %]: better ("},
		"tiny":   {1.0003, "No difference is shown between xdp-jet and mine.bpf.c; one of "},
		"below":  {1.003, "A difference smaller than the least that counts, 0.5 %, is shown: mine.bpf.c has 0.3 % more sec/pkt than xdp-jet [+0.3 %, +0.3 %] (newflow/services=1)."},
		"none":   {1, "No difference is shown between xdp-jet and mine.bpf.c"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := synthetic.ExactPair(1, c.slow, 0)
			var out strings.Builder
			err := WriteAB(&out, AB{A: "xdp-jet", B: "mine.bpf.c", Comparison: mustCompareRuns(t, a, b), Gates: []string{"A: passed"}}, "text")
			if err != nil || !strings.HasPrefix(out.String(), c.want) {
				t.Errorf("%v: %.400s\nwant %s", err, out.String(), c.want)
			}
		})
	}
}

// TestWriteABInstructions: instructions are said in words.
func TestWriteABInstructions(t *testing.T) {
	for unit, want := range map[string]string{
		"insn/pkt": "b takes 4.8 % fewer instructions a packet than a [", "insn/switch": "b takes 4.8 % fewer instructions a switch than a [",
	} {
		x, y := synthetic.ExactPair(1, 1/1.05, 0)
		c := mustCompareRuns(t, x, y)
		for i := range c.Rows {
			c.Rows[i].Unit, c.Rows[i].Verdict = unit, verdict.Worse
		}
		var out strings.Builder
		if err := WriteAB(&out, AB{A: "a", B: "b", Comparison: c}, "text"); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%v: %.200s\nwant %s", err, out.String(), want)
		}
	}
}

// TestABLead: throughput in bits answers before instructions, and these before what differs by more.
func TestABLead(t *testing.T) {
	x, y := synthetic.ExactPair(1, 1.05, 0)
	c := mustCompareRuns(t, x, y)
	var left []int // rows that differ
	for i, r := range c.Rows {
		if r.Verdict == verdict.Worse {
			left = append(left, i)
		}
	}
	units := []string{"sec/req", "insn/seg", "bit/s"}
	if len(left) < len(units) {
		t.Fatalf("%d rows differ", len(left))
	}
	for i, at := range left {
		c.Rows[at].Unit, c.Rows[at].Delta = units[min(i, 2)], 0.5/float64(i+1)
	}
	ab := AB{A: "a", B: "b", Comparison: c}
	if got := ab.Sentence(); !strings.HasPrefix(got, "b has 16.7 % more bit/s than a") {
		t.Error(got)
	}
	c.Rows[left[2]].Verdict = noDifference
	for _, at := range left[3:] {
		c.Rows[at].Verdict = noDifference
	}
	if got := ab.Sentence(); !strings.HasPrefix(got, "b takes 25.0 % more instructions a segment than a") {
		t.Error(got)
	}
}

// TestBesideInterval: a row whose interval excludes no difference, and that shows none, says why.
func TestBesideInterval(t *testing.T) {
	x, y := synthetic.ExactPair(1, 1.003, 0)
	c := mustCompareRuns(t, x, y)
	chance, known := 0.12, 0
	for _, r := range c.Rows {
		low, high, ok := r.Interval()
		if !ok || low <= 0 && high >= 0 {
			if got := besideInterval(r); got != verdictText(r) {
				t.Errorf("%s: %s", r.Name, got)
			}
			continue
		}
		known++
		if got := besideInterval(r); got != "~ (below 0.5 %)" {
			t.Errorf("%s: %s", r.Name, got)
		}
		r.P = &chance
		if got := besideInterval(r); got != "~ (p 0.120, adjusted for all rows)" {
			t.Errorf("%s: %s", r.Name, got)
		}
	}
	if known == 0 {
		t.Error("no interval excludes 0")
	}
}

// TestDifferenceUnit: a difference names its unit once, whether its interval stands beside it or it is an answer.
func TestDifferenceUnit(t *testing.T) {
	x, y := synthetic.ExactPair(1, 1.02, 0)
	for _, r := range mustCompareRuns(t, x, y).Rows {
		r.Compare = harness.CompareDifference
		for _, name := range []string{"verified-insn", "lost-share"} {
			r.Unit, r.Delta = name, 52
			if got := deltaText(r) + intervalText(r); name == "verified-insn" && strings.Count(got, name) != 1 || strings.Count(got, "points") > 1 {
				t.Errorf("%s: %s", r.Name, got)
			}
			if got := amount(r); strings.Count(got, name) != 1 {
				t.Errorf("%s: %s", r.Name, got)
			}
		}
	}
}

// TestWriteABRun: of a program by itself the answer says how many instructions were added, and outputs that differ are listed.
func TestWriteABRun(t *testing.T) {
	for slow, want := range map[float64]string{1 / 1.05: "b takes ", 1: "No difference is shown"} {
		x, y := synthetic.ExactPair(1, slow, 0)
		c := mustCompareRuns(t, x, y)
		for i := range c.Rows {
			c.Rows[i].Unit = runUnit
		}
		var out strings.Builder
		err := WriteAB(&out, AB{A: "a", B: "b", Comparison: c, Gates: []string{"A: passed"}, Differences: []string{"syn: returns 1 | 2"}}, "text")
		text := out.String()
		if err != nil || !strings.HasPrefix(text, "The outputs of a and b differ for 1 input. "+want) || !strings.Contains(text, "Different outputs, A | B\n  syn: returns 1 | 2\n") {
			t.Errorf("%v: %.600s\nwant %s", err, text, want)
		}
		if slow != 1 && !strings.Contains(text, " fewer instructions a run (-4.8 %) than a") {
			t.Errorf("%.300s", text)
		}
		for _, allowed := range []bool{false, true} {
			ab := AB{A: "a", B: "b", Comparison: c, Differences: []string{"syn: returns 1 | 2"}, Allowed: allowed}
			out.Reset()
			var s junitSuite
			if err := errors.Join(WriteAB(&out, ab, "junit"), xml.Unmarshal([]byte(out.String()), &s)); err != nil || s.Tests != len(s.Cases) {
				t.Fatal(err, s)
			}
			if last := s.Cases[len(s.Cases)-1]; last.Name != "outputs" || (last.Failure == nil) != allowed || s.Failures != c.Count(verdict.Worse)+boolInt(!allowed) {
				t.Errorf("allowed %v: %d failures, %+v", allowed, s.Failures, last)
			}
			out.Reset()
			if err := WriteAB(&out, ab, "json"); err != nil || !strings.Contains(out.String(), `"syn: returns 1 | 2"`) {
				t.Errorf("json: %v, %s", err, out.String())
			}
		}
	}
}

// TestNeitherWay: a unit of which neither way is better differs, and fails no gate.
func TestNeitherWay(t *testing.T) {
	a, b := synthetic.ExactPair(1, 1.05, 0)
	for _, r := range []*verdict.Comparison{mustCompareRuns(t, a, b)} {
		if r.Count(verdict.Worse) == 0 || !r.Gate() {
			t.Fatalf("5 %% slower is not worse: %s", r.Summary())
		}
	}
	for i := range b.Env.Workloads {
		for j := range b.Env.Workloads[i].Metrics {
			b.Env.Workloads[i].Metrics[j].Better = "neither"
		}
	}
	c := mustCompareRuns(t, a, b)
	if c.Count(verdict.Differs) == 0 || c.Count(verdict.Worse)+c.Count(verdict.Better) > 0 || c.Gate() || !strings.Contains(c.Summary(), "different") {
		t.Errorf("%s", c.Summary())
	}
	var out strings.Builder
	if err := WriteChanges(&out, c, "text"); err != nil || !strings.Contains(out.String(), verdict.Differs) {
		t.Errorf("%v: %q", err, out.String())
	}
}

// TestLapVerdict: a difference must be shown and reach the least that counts.
func TestLapVerdict(t *testing.T) {
	for _, c := range []struct {
		change float64
		shown  bool
		want   string
	}{{0.02, true, verdict.Worse}, {-0.02, true, verdict.Better}, {0.02, false, noDifference}, {0.005, true, noDifference}} {
		l := Lap{Change: c.change}
		if l.Judge(c.shown, 0.01); l.Verdict != c.want {
			t.Errorf("%+v: %s", c, l.Verdict)
		}
	}
	var out strings.Builder
	laps := []Lap{{At: "flows=1", Change: 0.001, Verdict: noDifference}, {At: "flows=4096", A: 100, B: 110, Change: 0.1, Low: 0.09, High: 0.11, Loads: 4, Verdict: verdict.Worse}}
	want := "b takes 10.00 % more ns/pkt than a [+9.00 %, +11.00 %]: worse (flows=4096)."
	if err := WriteLaps(&out, LapAnswer{A: "a", B: "b", Laps: laps, Unit: "ns/pkt"}, "text"); err != nil || !strings.HasPrefix(out.String(), want) {
		t.Errorf("%v: %q", err, out.String())
	}
	laps = []Lap{{At: "flows=1", Change: 0.006, Low: 0.005, High: 0.007, Verdict: noDifference}}
	want = "A difference smaller than the least that counts is shown between a and b: B against A +0.60 % [+0.50 %, +0.70 %] (flows=1)."
	out.Reset()
	if err := WriteLaps(&out, LapAnswer{A: "a", B: "b", Laps: laps, Unit: "ns/pkt"}, "text"); err != nil || !strings.HasPrefix(out.String(), want) {
		t.Errorf("%v: %q", err, out.String())
	}
}
