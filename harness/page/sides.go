// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness/stats"
)

// weak are the sentences of a run with too few trials for a verdict: values side by side.
func (b board) weak(compared int) []string {
	trials := 0
	for _, s := range b.a.Samples {
		trials = max(trials, len(s.Values))
	}
	out := []string{fmt.Sprintf("%s a cell: nothing here is called a difference or none.", plural(trials, "trial"))}
	if compared == 0 {
		out[0] = fmt.Sprintf("There is no cell of %s with another variant beside it: nothing is compared.", b.baseline)
	}
	if needs := b.needs(); len(needs) > 0 {
		_, sentences, _ := b.byNeed(needs)
		return append(out, sentences...)
	}
	return append(out, b.sides(2)...)
}

// sides are values in the first workloads.
func (b board) sides(workloads int) (out []string) {
	for _, w := range b.workloads[:min(workloads, len(b.workloads))] {
		p := b.main[w][0]
		out = append(out, place(p)+": "+b.side(p)+".")
	}
	return out
}

// mostSides is how many variants of the baseline's class stand side by side.
const mostSides = 8

// side is the values of the baseline, of the others of its class, and of the first of each other class, in the order of the definition:
// nothing is called better.
func (b board) side(p panel) string {
	var names []string
	taken := map[string]int{}
	for _, v := range b.a.Run.Env.Variants {
		s := p.cells[v.Name]
		if s == nil || v.Name != b.baseline && !b.a.Ranked(s.Cell) {
			continue
		}
		most := 1
		if v.Class == b.class() {
			most = mostSides
		}
		if taken[v.Class]++; v.Name == b.baseline || taken[v.Class] <= most {
			names = append(names, v.Name)
		}
	}
	return b.values(p, names)
}

// values are those of the variants that a panel has, each with its interval if there are enough trials: "iptables 1.95 M pkt/s,
// xdp-nat 7.12 M pkt/s".
func (b board) values(p panel, names []string) string {
	var parts []string
	for _, name := range names {
		if p.cells[name] != nil {
			parts = append(parts, name+" "+p.value(name))
		}
	}
	return strings.Join(parts, ", ")
}

// value is the median of a variant's trials with its unit, and its interval if there are enough of them.
func (p panel) value(variant string) string {
	s := stats.Summarize(p.cells[variant].Values)
	name, interval := p.scale.Unit, ""
	if time, _ := kindOf(p.unit); time { // "ms" of "p95-rtt ms"
		name = name[strings.LastIndex(name, " ")+1:]
	}
	if s.Confidence >= stats.Enough {
		interval = fmt.Sprintf(" [%s, %s]", p.scale.Format(s.Lo), p.scale.Format(s.Hi))
	}
	return p.scale.Format(s.Median) + " " + name + interval
}
