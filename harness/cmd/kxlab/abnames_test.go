// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

func TestRename(t *testing.T) {
	names := map[string]string{"loop": "loop.bpf.c", "s": "s.bpf.c", "eevdf": "HEAD:bad.bpf.c", "mine": "./mine.bpf.c", "bpf-reno": "nogrow.bpf.c"}
	for text, want := range map[string]string{
		"put variant eevdf: x":                             "put variant HEAD:bad.bpf.c: x",
		"check bpf-reno: 8 bit/s":                          "check nogrow.bpf.c: 8 bit/s",
		"scheduler kxlab.eevdf.103.1 was ended":            "scheduler HEAD:bad.bpf.c was ended",
		"scheduler kxlab.bpf_reno.1.2 was ended":           "scheduler nogrow.bpf.c was ended",
		"pipe/class=general/variant=eevdf/place=same":      "pipe/class=general/variant=HEAD:bad.bpf.c/place=same",
		"load ./mine.bpf.c: program mine_enqueue":          "load ./mine.bpf.c: program mine_enqueue",
		"load prog/loop: infinite loop detected at insn 2": "load prog/loop: infinite loop detected at insn 2",
		"1: if w1 s> 0xff goto pc+2 (13 line(s) omitted)":  "1: if w1 s> 0xff goto pc+2 (13 line(s) omitted)",
		"check s: set up loop":                             "check s.bpf.c: set up loop.bpf.c",
		"mine: mine, and cc/bpf-reno.bpf.o, not eevdf":     "./mine.bpf.c: ./mine.bpf.c, and cc/bpf-reno.bpf.o, not HEAD:bad.bpf.c",
	} {
		if got := rename(text, names); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestABNamesTheFaulty: what became of a side that runs under A's name is said with the user's name, and a long reason is cut short.
func TestABNamesTheFaulty(t *testing.T) {
	t.Chdir(t.TempDir())
	raw, err := bpf.Bytes("sched/scx_fifo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("bad.bpf.o", raw, 0o600); err != nil {
		t.Fatal(err)
	}
	f := abFlags{runFlags: runFlags{target: harness.TargetExact, profile: "smoke", workloads: []string{"pipe"}, repeat: 1}}
	words := withObjects(t.Context(), vocabulary(), "")
	p, err := openPair(t.Context(), words, f, "eevdf", "bad.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	on, err := f.jobs(p, words)
	if err != nil || len(on) != 1 || len(on[0]) != 2 {
		t.Fatal(on, err)
	}
	jobs := on[0]
	cell := jobs[1].plan.Groups[0].Blocks[0].Cells[0].BenchName()
	reason := "put variant eevdf: scheduler kxlab.eevdf.103.1 was ended by the kernel: runtime error: non-existent DSQ 0x1234\ndump:\n" + strings.Repeat("CPU states\n", 500) + "end"
	o := record.CellOutcome{Cell: cell, Outcome: harness.OutcomeFailed, Where: harness.AtSetup, Reason: reason}
	said := wrongError(jobs[1], runner.Summary{Outcomes: []record.CellOutcome{o}}).Error()
	if !strings.Contains(said, "  bad.bpf.o: failed at set-up: scheduler bad.bpf.o was ended by the kernel: runtime error: non-existent DSQ 0x1234\n    dump:\n    CPU states\n") ||
		strings.Contains(said, "eevdf") {
		t.Errorf("said %.300s", said)
	}
	if lines := strings.Count(said, "\n"); lines > maxReason+3 || !strings.Contains(said, "lines more there") {
		t.Errorf("%d lines: %s", lines, said[max(0, len(said)-100):])
	}
	o.Outcome = harness.OutcomeInvalid
	if said := wrongError(jobs[1], runner.Summary{Outcomes: []record.CellOutcome{o}}).Error(); !strings.Contains(said, "/variant=bad.bpf.o/") {
		t.Errorf("an invalid cell: said %.300s", said)
	}
	o.Outcome = harness.OutcomeFailed
	r := &record.Run{}
	r.Env.Outcomes = []record.CellOutcome{o, {Cell: cell + "x", Outcome: harness.OutcomeInvalid, Where: harness.AtGuest, Reason: "check eevdf: died\nconsole"}}
	text := correctness("B: bad.bpf.o", r, p.namesOf(1, 2))
	if !strings.Contains(text, "; failed at set-up: put variant bad.bpf.o: ") || !strings.Contains(text, "; invalid at guest: check bad.bpf.o: died") {
		t.Errorf("correctness: %s", text)
	}
}

// TestABNamesTheSide: of a run that has both sides, what became of one is said with its side, as in runs of one side and in turns.
func TestABNamesTheSide(t *testing.T) {
	dir := t.TempDir()
	copyPrograms(t, dir)
	t.Chdir(dir)
	f := abFlags{runFlags: runFlags{target: harness.TargetExact, profile: "smoke", repeat: 1}}
	words := withObjects(t.Context(), vocabulary(), "")
	p, err := openPair(t.Context(), words, f, "base.bpf.o", "closed.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	on, err := f.jobs(p, words)
	if err != nil || len(on) != 1 || len(on[0]) != 1 {
		t.Fatal(on, err)
	}
	j := on[0][0]
	var sum runner.Summary
	for _, cell := range j.plan.Groups[0].Blocks[0].Cells {
		if cell.Variant == p.b.Name {
			sum.Outcomes = append(sum.Outcomes, record.CellOutcome{Cell: cell.BenchName(), Outcome: harness.OutcomeFailed, Where: harness.AtSetup, Reason: "load closed.bpf.o: GPL\n\t5: call"})
		}
	}
	if said := wrongError(j, sum).Error(); !strings.Contains(said, "  B, closed.bpf.o: failed at set-up: load closed.bpf.o: GPL\n") || strings.Count(said, "5: call") != 1 {
		t.Errorf("said %s", said)
	}
	lack := harness.Skip("put variant %s: this kernel lacks it", p.a.Name)
	if err := p.sideError(lack); err.Error() != "put variant A, base.bpf.o: this kernel lacks it" || codeOf(err) != codeNothing {
		t.Errorf("%v, code %d", err, codeOf(err))
	}
}
