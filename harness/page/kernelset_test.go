// SPDX-License-Identifier: Apache-2.0

package page

import (
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// counting has a run count instructions where it has times.
func counting(r *record.Run, kernel string) *verdict.Analysis {
	r.Env.Kernel = kernel
	for i := range r.Env.Workloads {
		for k := range r.Env.Workloads[i].Metrics {
			if m := &r.Env.Workloads[i].Metrics[k]; m.Unit == "sec/pkt" {
				m.Unit = "insn/pkt"
			}
		}
	}
	for i := range r.Trials {
		for k := range r.Trials[i].Result.Metrics {
			if m := &r.Trials[i].Result.Metrics[k]; m.Unit == "sec/pkt" {
				m.Unit, m.Value = "insn/pkt", 1e9*m.Value
			}
		}
	}
	return verdict.Analyze(r)
}

// TestKernelSets: runs that differ in their kernel alone are a set, the kernels by version; each step names what costs more, and others
// than costs are left out.
func TestKernelSets(t *testing.T) {
	old, slow := synthetic.ExactPair(1, 1.10, 0.0001)
	_, third := synthetic.ExactPair(1, 1.10, 0.0001)
	other, _ := synthetic.ExactPair(1, 1, 0)
	other.Env.Profile = "other"
	at := slices.IndexFunc(old.Trials, func(tr harness.Trial) bool { return tr.Cell.Variant == "xdp-jet" })
	name := old.Trials[at].Cell.BenchName()
	functions := func(r *record.Run, of string, v float64) {
		r.Functions = []profile.Table{{Cell: name, Unit: "insn/pkt", Whole: v, Functions: []profile.Function{{Name: of, Value: v}}}}
	}
	functions(old, "old_walk", 100)
	functions(slow, "new_walk", 110)
	functions(third, "new_walk", 110)
	sets, err := KernelSets([]*verdict.Analysis{
		counting(slow, "7.2.12+deb14-cloud-amd64"), counting(third, "7.10.1-cloud-amd64"), counting(old, "6.1.0-50-cloud-amd64"), counting(other, "7.3.0"),
	})
	if err != nil || len(sets) != 1 {
		t.Fatalf("%d sets, %v", len(sets), err)
	}
	s := sets[0]
	if got, want := strings.Join(s.Names, " "), "6.1.0-50 7.2.12 7.10.1"; got != want {
		t.Errorf("kernels %s, want %s", got, want)
	}
	if len(s.Answers) != 2 || !strings.Contains(s.Answers[0], "7.2.12 after 6.1.0-50: of ") || !strings.Contains(s.Answers[0], "higher, most xdp-jet in ") ||
		!strings.Contains(s.Answers[0], "(+10.0 %") || !strings.Contains(s.Answers[1], " 0 higher; 0 lower.") {
		t.Errorf("answers %q", s.Answers)
	}
	all := ""
	for _, tab := range s.Tables {
		all += tab.Title + "\n"
		for _, row := range tab.Rows {
			if len(row) != len(tab.Head) {
				t.Errorf("%s: a row of %d under a head of %d", tab.Title, len(row), len(tab.Head))
			}
			all += strings.Join(row, "|") + "\n"
		}
	}
	for _, want := range []string{"functions of xdp-jet", "old_walk|100.0|–|–", "new_walk|–|110.0|110.0", "whole|100.0|110.0|110.0"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
	if strings.Contains(all, "pkt/s|") {
		t.Errorf("a rate is among the costs:\n%s", all)
	}
}

// TestKernelSetFates: faults with two fates by the same way are named, and a kernel that lacks a fault is none.
func TestKernelSetFates(t *testing.T) {
	old := fateRun("6.1.0-50", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateRefused, "b": harness.FateHang})
	now := fateRun("7.2.12", map[string]harness.Fate{"sound": harness.FateHarmless, "a": harness.FateHarmless, "c": harness.FateLeak})
	for _, c := range []struct {
		of   []*verdict.Analysis
		want string
	}{
		{[]*verdict.Analysis{old, now}, "These kernels treat 1 of 1 fault otherwise: a."},
		{[]*verdict.Analysis{old, old}, "These kernels treat each of 2 faults alike."},
	} {
		for _, a := range c.of {
			a.Run.Env.Baseline = "sound"
		}
		s := KernelSet{Tables: []SetTable{{Title: "costs"}}}
		s.addFates(c.of)
		if len(s.Answers) != 1 || s.Answers[0] != c.want || s.Tables[0].Title != "What became of each fault" || s.Tables[len(s.Tables)-1].Title != "costs" {
			t.Errorf("answers %q, tables %v, want %q and the fates before the costs", s.Answers, s.Tables, c.want)
		}
	}
}

// TestKernelSetLoads: a fault that a kernel refuses and another accepts is named though only one of the workloads shows it, and nothing ran.
func TestKernelSetLoads(t *testing.T) {
	old := fateRun("6.1.0-50", map[string]harness.Fate{"a": harness.FateRefused, "b": harness.FateRefused, "c": harness.FateHarmless})
	now := fateRun("7.2.12", map[string]harness.Fate{"a": harness.FateRefused, "b": harness.FateHarmless, "c": harness.FateHarmless})
	for _, a := range []*verdict.Analysis{old, now} {
		a.Run.Trials = harness.Filter(a.Run.Trials, func(tr harness.Trial) bool { return tr.Cell.Workload == "load" || tr.Cell.Variant == "c" })
	}
	var s KernelSet
	s.addFates([]*verdict.Analysis{old, now})
	if want := "These kernels treat 1 of 3 faults otherwise: b."; len(s.Answers) != 1 || s.Answers[0] != want {
		t.Errorf("answers %q, want %q", s.Answers, want)
	}
	if len(s.Tables) != 2 || strings.Join(s.Tables[1].Rows[0], " ") != "b k refused accepted" || len(s.Tables[1].Rows) != 1 {
		t.Errorf("tables %v, want one of b in load", s.Tables)
	}
}

func TestByVersion(t *testing.T) {
	for _, order := range [][]string{{"6.1.0-50-cloud-amd64", "6.12.117+deb13-cloud-amd64", "7.2.12+deb14-amd64", "7.10.1"}, {"7.2", "7.2.1"}} {
		if !slices.IsSortedFunc(order, byVersion) {
			t.Errorf("%q are not in the order of their versions", order)
		}
	}
}
