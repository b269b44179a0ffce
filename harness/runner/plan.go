// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A Plan is all that a run will do, but for its order.
type Plan struct {
	Experiment harness.Experiment
	Profile    string
	Target     string
	AA         string // the variant that is measured twice
	Groups     []Group
}

// A Group is the cells that agree in their set-up axes: their variants are in force side by side.
type Group struct {
	Axes    []harness.AxisValue // the set-up axes, in order of their names
	Members []Member
	Blocks  []Block
}

// A Member is a variant under the name it has in the record.
type Member = harness.Member

// A Block is the cells that differ in their variant only. All of its trials of one repeat see the same seed.
type Block struct {
	Workload      string
	Axes          []harness.AxisValue // in the order in which the workload declares them
	Repeats       int
	Warm, Measure time.Duration
	Cells         []harness.Cell
}

// NewPlan makes the plan of a selection of an experiment. An unknown word is a *harness.UnknownError. A selection without a cell is an error
// that names where its variants and workloads have one.
func NewPlan(e harness.Experiment, s Selection) (*Plan, error) {
	p, err := newPlan(e, s)
	if err == nil && p.Trials() == 0 {
		return nil, fmt.Errorf("nothing to run: profile %s has no cell of these variants and workloads on target %s; %s", s.Profile, p.Target, elsewhere(e, s))
	}
	return p, err
}

// newPlan is NewPlan, but a plan may have no cell.
func newPlan(e harness.Experiment, s Selection) (*Plan, error) {
	w, err := s.resolve(e)
	if err != nil {
		return nil, err
	}
	p := &Plan{Experiment: e, Profile: s.Profile, Target: cmp.Or(s.Target, harness.TargetHost)}
	for _, pw := range w.profile.Workloads {
		if !s.hasWorkload(pw.Name) || len(pw.Targets) > 0 && !slices.Contains(pw.Targets, p.Target) {
			continue
		}
		sp, _ := e.Workload(pw.Name)
		for _, values := range combinations(axes(sp, pw, s)) {
			b := budgets(p.Target, w.profile, pw)
			block := Block{Workload: pw.Name, Axes: values, Repeats: cmp.Or(s.Repeats, b.Repeats), Warm: b.Warm, Measure: b.Measure}
			ms := members(w, sp.Classes, pw.Only, block.Repeats)
			if slices.ContainsFunc(ms, func(m Member) bool { return m.Name == w.aa+harness.SuffixAA }) {
				p.AA = w.aa
			}
			p.add(sp, values, block, ms)
		}
	}
	return p, nil
}

// budgets are how often and how long a workload of a profile measures on a target.
func budgets(target string, p harness.Profile, pw harness.ProfileWorkload) harness.Budgets {
	b := harness.Budgets{Repeats: cmp.Or(pw.Repeats, p.Repeats), Measure: cmp.Or(pw.Measure, p.Measure), Warm: cmp.Or(pw.Warm, p.Warm)}
	var over, of harness.Budgets // the workload's and the profile's on this target
	switch target {
	case harness.TargetVM:
		over, of = pw.VM, p.VM
	case harness.TargetExact:
		over, of = pw.Exact, p.Exact
	}
	return harness.Budgets{
		Repeats: cmp.Or(over.Repeats, of.Repeats, b.Repeats),
		Measure: cmp.Or(over.Measure, of.Measure, b.Measure),
		Warm:    cmp.Or(over.Warm, of.Warm, b.Warm),
	}
}

// axes are a workload's axes with the values of the selection, or else of the profile.
func axes(sp harness.WorkloadSpec, pw harness.ProfileWorkload, s Selection) []harness.Axis {
	out := slices.Clone(sp.Axes)
	for i := range out {
		for _, over := range slices.Concat(pw.Axes, s.Axes) {
			if over.Name == out[i].Name {
				out[i].Values = over.Values
			}
		}
	}
	return out
}

// combinations is the product of the axes' values, the last axis changing fastest.
func combinations(axes []harness.Axis) [][]harness.AxisValue {
	out := [][]harness.AxisValue{nil}
	for _, a := range axes {
		var next [][]harness.AxisValue
		for _, sofar := range out {
			for _, v := range a.Values {
				next = append(next, append(slices.Clone(sofar), harness.AxisValue{Name: a.Name, Value: v}))
			}
		}
		out = next
	}
	return out
}

// members are the variants that take part, the one for the noise twice: not if there is one trial, of which nothing is judged.
func members(w resolution, classes, only []string, repeats int) []Member {
	var out []Member
	for _, v := range w.variants {
		if len(classes) > 0 && !slices.Contains(classes, v.Class) || len(only) > 0 && !slices.Contains(only, v.Name) {
			continue
		}
		out = append(out, Member{Name: v.Name, Variant: v})
		if v.Name == w.aa && repeats > 1 {
			out = append(out, Member{Name: v.Name + harness.SuffixAA, Variant: v})
		}
	}
	return out
}

// add adds a block to its group. A block that a profile has twice is there once, with the larger of both budgets.
func (p *Plan) add(sp harness.WorkloadSpec, values []harness.AxisValue, b Block, ms []Member) {
	if len(ms) == 0 {
		return
	}
	g := p.group(setup(sp, values))
	i := slices.IndexFunc(g.Blocks, func(o Block) bool { return o.Workload == b.Workload && slices.Equal(o.Axes, b.Axes) })
	if i < 0 {
		i = len(g.Blocks)
		g.Blocks = append(g.Blocks, b)
	}
	have := &g.Blocks[i]
	have.Repeats, have.Measure = max(have.Repeats, b.Repeats), max(have.Measure, b.Measure)
	for _, m := range ms {
		c := harness.Cell{
			Experiment: p.Experiment.Name, Workload: b.Workload, Class: m.Class, Variant: m.Name, Axes: values,
		}
		if !slices.ContainsFunc(have.Cells, func(o harness.Cell) bool { return o.Variant == c.Variant }) {
			have.Cells = append(have.Cells, c)
		}
		if !slices.ContainsFunc(g.Members, func(o Member) bool { return o.Name == m.Name }) {
			g.Members = append(g.Members, m)
		}
	}
}

// group finds or makes the group with these set-up axis values.
func (p *Plan) group(axes []harness.AxisValue) *Group {
	i := slices.IndexFunc(p.Groups, func(g Group) bool { return slices.Equal(g.Axes, axes) })
	if i < 0 {
		i = len(p.Groups)
		p.Groups = append(p.Groups, Group{Axes: axes})
	}
	return &p.Groups[i]
}

// setup picks the set-up axes, sorted by name, so that workloads may declare them in any order.
func setup(sp harness.WorkloadSpec, values []harness.AxisValue) (out []harness.AxisValue) {
	for i, a := range sp.Axes {
		if a.Setup {
			out = append(out, values[i])
		}
	}
	slices.SortFunc(out, func(a, b harness.AxisValue) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Cells is how many cells the plan has.
func (p *Plan) Cells() (n int) {
	for _, g := range p.Groups {
		n += len(g.cells())
	}
	return n
}

// Trials is how many trials the plan has, if none is skipped.
func (p *Plan) Trials() (n int) {
	for _, g := range p.Groups {
		for _, b := range g.Blocks {
			n += len(b.Cells) * b.Repeats
		}
	}
	return n
}

// String names the group by its set-up axis values: "ip=4 services=1".
func (g Group) String() string { return axisString(g.Axes) }

func axisString(axes []harness.AxisValue) string {
	return strings.Join(harness.Map(axes, func(a harness.AxisValue) string { return a.Name + "=" + a.Value }), " ")
}

// parts cuts a group into n of about the same length, or one for each block if these are fewer, each with whole blocks and the
// members that these need. The cut depends on the plan alone, so that every machine makes the same.
func (g Group) parts(n int) []Group {
	n = min(n, len(g.Blocks))
	if n < 2 {
		return []Group{g}
	}
	hand := Deal(harness.Map(g.Blocks, func(b Block) time.Duration {
		return time.Duration(len(b.Cells)*b.Repeats) * (b.Warm + b.Measure)
	}), n)
	out := make([]Group, n)
	for i, b := range g.Blocks {
		out[hand[i]].Blocks = append(out[hand[i]].Blocks, b)
	}
	for p := range out {
		out[p].Axes = g.Axes
		out[p].Members = slices.DeleteFunc(slices.Clone(g.Members), func(m Member) bool { return !out[p].has(m.Name) })
	}
	return out
}

// has reports whether the group has cells of a member.
func (g Group) has(member string) bool { return len(g.cells(member)) > 0 }

// restrict keeps the members with a wanted step: the others need no set-up and no gate.
func (g Group) restrict(wants func(Step) bool, seed uint64) Group {
	wanted := harness.Filter(g.Order(seed), wants)
	g.Members = harness.Filter(g.Members, func(m Member) bool {
		return slices.ContainsFunc(wanted, func(s Step) bool { return s.Cell.Variant == m.Name })
	})
	return g
}
