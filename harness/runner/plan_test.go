// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

func TestPlan(t *testing.T) {
	p := plan(t, runner.Selection{})
	type block struct {
		Name     string
		Repeats  int
		Variants []string
	}
	got := map[string][]block{}
	for _, g := range p.Groups {
		for _, b := range g.Blocks {
			var vs []string
			for _, c := range b.Cells {
				vs = append(vs, c.Variant)
			}
			name := strings.TrimPrefix(b.Cells[0].BenchName(), "LB/workload=")
			got[g.String()] = append(got[g.String()], block{name, b.Repeats, vs})
		}
	}
	all, only := []string{"a", "b", "b+aa", "c"}, []string{"b", "b+aa"}
	want := map[string][]block{
		"services=1": {
			{"pps/class=nat/variant=a/services=1/flows=1", 3, all},
			{"pps/class=ipip/variant=b/services=1/flows=64", 3, only},
			{"rr/class=nat/variant=a/services=1", 2, all},
		},
		"services=1000": {
			{"pps/class=nat/variant=a/services=1000/flows=1", 3, all},
			{"pps/class=ipip/variant=b/services=1000/flows=64", 3, only},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if p.Cells() != 16 || p.Trials() != 12+6+8+12+6 {
		t.Errorf("%d cells, %d trials", p.Cells(), p.Trials())
	}
}

// TestPlanClasses: variants of other classes take no part in a workload.
func TestPlanClasses(t *testing.T) {
	e := experiment()
	e.Workloads[1].Classes = []string{"nat", harness.ClassCeiling}
	p, err := runner.NewPlan(e, runner.Selection{Profile: "quick", Workloads: []string{"rr"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range p.Groups[0].Blocks[0].Cells {
		got = append(got, c.Variant)
	}
	if !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("variants %q", got)
	}
}

func TestPlanSelection(t *testing.T) {
	s := runner.Selection{
		Variants: []string{"c", "a"}, Workloads: []string{"pps"}, Repeats: 2,
		Axes: []harness.Axis{{Name: "flows", Values: []string{"8"}}, {Name: "services", Values: []string{"5"}}},
	}
	p := plan(t, s)
	if len(p.Groups) != 1 || len(p.Groups[0].Blocks) != 1 || p.Trials() != 6 {
		t.Fatalf("%+v", p.Groups)
	}
	// The experiment's choice for the noise does not take part, so another that does work stands in.
	if p.AA != "a" || p.Groups[0].Members[1].Name != "a+aa" {
		t.Errorf("A/A is %q, members %+v", p.AA, p.Groups[0].Members)
	}
	// Of one trial nothing is judged: none takes part twice.
	s.Repeats = 1
	if one := plan(t, s); one.AA != "" || one.Trials() != 2 {
		t.Errorf("with one trial A/A is %q, and there are %d trials", one.AA, one.Trials())
	}
	if c := p.Groups[0].Blocks[0].Cells[0]; c.Axis("flows") != "8" || c.Axis("services") != "5" {
		t.Errorf("cell %s", c.BenchName())
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, tt := range []struct {
		s    runner.Selection
		want string
	}{
		{runner.Selection{Profile: "quik"}, `unknown profile "quik", did you mean "quick"`},
		{runner.Selection{Variants: []string{"d"}}, `unknown variant "d"`},
		{runner.Selection{Workloads: []string{"rrr"}}, `unknown workload "rrr", did you mean "rr"`},
		{runner.Selection{Axes: []harness.Axis{{Name: "flow", Values: []string{"1"}}}}, `did you mean "flows"`},
		{runner.Selection{Workloads: []string{"rr"}, Axes: []harness.Axis{{Name: "flows", Values: []string{"1"}}}}, `unknown axis "flows"`},
		{runner.Selection{Axes: []harness.Axis{{Name: "flows"}}}, "no values"},
		{runner.Selection{Axes: []harness.Axis{{Name: "flows", Values: []string{"1", "1"}}}}, "twice"},
		{runner.Selection{Axes: []harness.Axis{{Name: "flows", Values: []string{"a/b"}}}}, "may be used"},
		{runner.Selection{Repeats: -1}, "-1 repeats: a cell has from 1 to 10000 trials"},
		{runner.Selection{Repeats: 10001}, "10001 repeats"},
	} {
		if tt.s.Profile == "" {
			tt.s.Profile = "quick"
		}
		_, err := runner.NewPlan(experiment(), tt.s)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q in it", tt.s, err, tt.want)
		}
	}
}

// Every repeat runs every cell of the group before the next repeat begins, the variants of a block one after the other
// with the same seed, in an order that the seed decides and that differs from repeat to repeat.
func TestOrder(t *testing.T) {
	e := experiment()
	e.Profiles[0].Repeats = 20
	p, err := runner.NewPlan(e, runner.Selection{Profile: "quick", Workloads: []string{"pps"}})
	if err != nil {
		t.Fatal(err)
	}
	g := p.Groups[0]
	steps := g.Order(1)
	per := len(g.Blocks[0].Cells) + len(g.Blocks[1].Cells)
	if len(steps) != 20*per {
		t.Fatalf("%d steps", len(steps))
	}
	orders := map[string]bool{}
	for r := range 20 {
		seeds, seen, order := map[string]uint64{}, map[string]bool{}, ""
		for i, s := range steps[r*per : (r+1)*per] {
			name := s.Cell.BenchName()
			if s.Repeat != r || seen[name] {
				t.Fatalf("repeat %d, step %d: %s of repeat %d", r, i, name, s.Repeat)
			}
			seen[name] = true
			block := s.Cell.Axis("flows")
			if have, ok := seeds[block]; ok && have != s.Seed {
				t.Errorf("repeat %d: two seeds in one block", r)
			}
			seeds[block] = s.Seed
			order += s.Cell.Variant + block + " "
		}
		if seeds["1"] == seeds["64"] {
			t.Errorf("repeat %d: two blocks of one seed", r)
		}
		orders[order] = true
	}
	if len(orders) < 15 {
		t.Errorf("only %d different orders in 20 repeats", len(orders))
	}
	same := func(a, b runner.Step) bool { return a.Cell.BenchName() == b.Cell.BenchName() && a.Seed == b.Seed }
	if !slices.EqualFunc(steps, g.Order(1), same) {
		t.Error("the same seed gives another order")
	}
	if slices.EqualFunc(steps, g.Order(2), same) {
		t.Error("another seed gives the same order")
	}
}

// TestPlanElsewhere: a selection without a cell is told which profiles and targets have one.
func TestPlanElsewhere(t *testing.T) {
	e := experiment()
	e.Profiles = []harness.Profile{
		{Name: "quick", Repeats: 1, Workloads: []harness.ProfileWorkload{{Name: "pps", Only: []string{"a"}}, {Name: "rr", Only: []string{"b"}, Targets: []string{harness.TargetVM}}}},
		{Name: "wide", Repeats: 1, Workloads: []harness.ProfileWorkload{{Name: "pps"}}},
		{Name: "full", Repeats: 1, Workloads: []harness.ProfileWorkload{{Name: "pps"}}},
	}
	for variant, want := range map[string]string{
		"b": "nothing to run: profile quick has no cell of these variants and workloads on target host; take --profile wide or --profile full or --target vm",
		"c": "nothing to run: profile quick has no cell of these variants and workloads on target host; take --profile wide or --profile full",
	} {
		if _, err := runner.NewPlan(e, runner.Selection{Profile: "quick", Variants: []string{variant}}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", variant, err, want)
		}
	}
}
