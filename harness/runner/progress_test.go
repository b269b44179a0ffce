// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
)

func TestProgress(t *testing.T) {
	cell := harness.Cell{Experiment: "lb", Workload: "pps", Class: "nat", Variant: "a"}
	p := &Plan{Groups: []Group{{Blocks: []Block{{
		Workload: "pps", Repeats: 10, Measure: 900 * time.Millisecond, Cells: []harness.Cell{cell},
	}}}}}
	for _, tt := range []struct {
		what    string
		columns int
		check   func(t *testing.T, out string)
	}{
		{"plain", 0, func(t *testing.T, out string) {
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if len(lines) != 4 { // the head, then at 0, 6 and 12 s: one every few seconds, not one a trial
				t.Errorf("%d lines: %q", len(lines), lines)
			}
			if want := "[4/10] 6s, 14s left: repeat 1 of 10: workload=pps/class=nat/variant=a"; lines[2] != want {
				t.Errorf("got %q, want %q", lines[2], want)
			}
			if strings.Contains(out, "\x1b") {
				t.Error("escape sequences where there is no terminal")
			}
		}},
		{"live", 40, func(t *testing.T, out string) {
			if !strings.HasSuffix(out, "\r\x1b[K") {
				t.Error("the live line was not wiped at the end")
			}
			for line := range strings.SplitSeq(out, "\r\x1b[K") {
				if !strings.Contains(line, "\n") && len(line) >= 40 {
					t.Errorf("%d columns: %q", len(line), line)
				}
			}
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var out bytes.Buffer
			pr := NewProgress(&out, tt.columns)
			now := time.Unix(0, 0)
			pr.now = func() time.Time { return now }
			pr.begin(p, nil)
			pr.setup(time.Second)
			for range 8 {
				s := Step{Block: &p.Groups[0].Blocks[0], Cell: cell}
				pr.trial(s)
				now = now.Add(2 * time.Second)
				pr.done(s, 2*time.Second)
			}
			pr.end()
			tt.check(t, out.String())
		})
	}
}

// TestProgressRename: remarks and phases are shown as they are renamed.
func TestProgressRename(t *testing.T) {
	var out bytes.Buffer
	pr := NewProgress(&out, 0)
	pr.Rename = func(text string) string { return strings.ReplaceAll(text, "a", "mine") }
	pr.remark("not %s", "a")
	pr.phase("check a")
	if said := out.String(); !strings.Contains(said, "not mine\n") || !strings.Contains(said, "check mine\n") || strings.Contains(said, " a\n") {
		t.Error(said)
	}
}

// TestProgressAnswer: a preliminary answer stands above the live line and is gone at the end; without a terminal it is a line.
func TestProgressAnswer(t *testing.T) {
	for columns, want := range map[int]string{
		0:  "[0/0] 0s, 0s left: one\nafter 2 of 5 seeds: worse\n",
		20: "\r\x1b[K[0/0] 0s, 0s left: \r\x1b[Kafter 2 of 5 seeds: worse\n\r\x1b[K[0/0] 0s, 0s left: \r\x1b[K\x1b[2A\x1b[J",
	} {
		var out bytes.Buffer
		pr := NewProgress(&out, columns)
		pr.now = func() time.Time { return time.Unix(0, 0) }
		pr.started = pr.now()
		pr.phase("one")
		pr.Answer("after 2 of 5 seeds: worse") // two rows of twenty columns
		pr.And().phase("two")
		pr.end()
		if out.String() != want {
			t.Errorf("%d columns: %q, want %q", columns, out.String(), want)
		}
	}
}

// TestProgressLate: what takes longer than was thought is expected to last as long again, and is shown again while it lasts.
func TestProgressLate(t *testing.T) {
	cell := harness.Cell{Experiment: "sched", Workload: "hog", Class: "sched", Variant: "a"}
	p := &Plan{Groups: []Group{{Blocks: []Block{{Workload: "hog", Repeats: 1, Measure: 850 * time.Millisecond, Cells: []harness.Cell{cell}}}}}}
	var out bytes.Buffer
	pr := NewProgress(&out, 0)
	now := time.Unix(0, 0)
	pr.now = func() time.Time { return now }
	pr.begin(p, nil)
	pr.again() // before there is anything
	pr.phase(": set up")
	for _, at := range []time.Duration{10, 29, 100, 110} {
		now = time.Unix(0, 0).Add(at * time.Second)
		pr.again()
	}
	pr.setup(110 * time.Second)
	now = now.Add(time.Minute)
	pr.again()
	want := "1 cell, 1 trial, about 6s\n[1/1] 0s, 6s left: set up\n[1/1] 1m40s, 1m41s or more left: set up\n" +
		"[1/1] 2m50s, 1m0s or more left: set up\n"
	if out.String() != want {
		t.Errorf("%swant %s", out.String(), want)
	}
}

// TestGuessLoading: what it takes to load a program counts for each trial and each gate in exact guests.
func TestGuessLoading(t *testing.T) {
	cell := harness.Cell{Experiment: "lb", Workload: "pps", Class: "nat", Variant: "a"}
	p := &Plan{Groups: []Group{{Blocks: []Block{{Workload: "pps", Repeats: 10, Measure: time.Second, Cells: []harness.Cell{cell}}}}}, Target: harness.TargetHost}
	p.Groups[0].Members = make([]harness.Member, 2)
	before := p.Guess()
	p.Experiment.Loading = 10 * time.Second
	if p.Guess() != before {
		t.Errorf("%v on the host, was %v", p.Guess(), before)
	}
	p.Target = harness.TargetExact
	if want := before + (10+2)*10*time.Second; p.Guess() != want {
		t.Errorf("%v, want %v", p.Guess(), want)
	}
}

// TestProgressOfSome: the progress of some jobs of a plan is theirs, not that of the plan.
func TestProgressOfSome(t *testing.T) {
	cell := harness.Cell{Experiment: "lb", Workload: "pps", Class: "nat", Variant: "a"}
	b := Block{Workload: "pps", Repeats: 10, Measure: 850 * time.Millisecond, Cells: []harness.Cell{cell}}
	p := &Plan{Groups: []Group{{Blocks: []Block{b}}}}
	step := Step{Block: &b, Cell: cell}
	var out bytes.Buffer
	pr := NewProgress(&out, 0)
	pr.begin(p, []*piece{{steps: []Step{step, step}}})
	pr.trial(step)
	if got := out.String(); !strings.HasPrefix(got, "1 guest, 2 trials, about 3s\n[1/2] 0s, 3s left: repeat 1 of 10: ") {
		t.Errorf("got %q", got)
	}
}
