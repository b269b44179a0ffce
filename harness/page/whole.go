// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/unit"
)

// A division is the variants of a panel by how they serve a need wholly, each list the best first.
type division struct {
	reach   []string // in every trial
	spoiled []string // they do, and show what must be zero besides
	short   []string
}

// divide divides the variants of a need; zero is the panel of what must be zero besides.
func (b board) divide(n need) (d division, zero panel) {
	zero, _ = harness.Find(b.all(n.Workload), func(p panel) bool { return p.unit == n.Zero && slices.Equal(p.axes, n.panel.axes) })
	for _, name := range b.sorted(n.panel) {
		switch z := zero.cells[name]; {
		case slices.ContainsFunc(n.panel.cells[name].Values, func(v float64) bool { return v != n.Whole }):
			d.short = append(d.short, name)
		case z != nil && slices.Max(z.Values) > 0:
			d.spoiled = append(d.spoiled, name)
		default:
			d.reach = append(d.reach, name)
		}
	}
	return d, zero
}

// whole says whether any variant reaches the value that serves a need wholly, in every trial, which of these show what must be zero besides,
// and what the others reach; nothing where no variant was measured.
func (b board) whole(n need) []string {
	d, zero := b.divide(n)
	all := len(d.reach) + len(d.spoiled) + len(d.short)
	if all == 0 {
		return nil
	}
	text := fmt.Sprintf("%s: %d of %s reach %s in every trial", n.Need, len(d.reach), plural(all, "variant"), n.panel.write(n.Whole))
	if len(d.reach) > 0 {
		text += " (" + strings.Join(d.reach, ", ") + ")"
	}
	if len(d.spoiled) > 0 {
		most := harness.Map(d.spoiled, func(name string) string { return name + ", up to " + zero.write(slices.Max(zero.cells[name].Values)) })
		text += fmt.Sprintf("; %s above 0 (%s)", unit.Words(n.Zero), strings.Join(most, "; "))
	}
	if len(d.short) > 0 {
		worst := d.short[len(d.short)-1]
		text += fmt.Sprintf("; the others fall short, down to %s (%s)", n.panel.write(slices.Min(n.panel.cells[worst].Values)), worst)
	}
	return []string{yesOrNo(len(d.reach) > 0, text+".")}
}

// ends are the best and the worst of each class of a workload whose need is served wholly or not, and then those that do not serve it, the
// worst first: the answer names all that do. They are empty for another workload.
func (b board) ends(workload string) (own, others []string) {
	n, ok := harness.Find(b.needs(), func(n need) bool { return n.Workload == workload && n.Whole != 0 })
	if !ok {
		return nil, nil
	}
	for _, same := range harness.GroupBy(b.sorted(n.panel), func(name string) string { return n.panel.cells[name].Cell.Class }) {
		own = append(own, same[0], same[len(same)-1])
	}
	d, _ := b.divide(n)
	slices.Reverse(d.short)
	return own, slices.Concat(d.spoiled, d.short)
}

// write is a value with the panel's unit.
func (p panel) write(v float64) string { return p.scale.Format(v) + " " + p.scale.Unit }
