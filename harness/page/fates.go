// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A fated is what became of a fault in one cell, by its first trial.
type fated struct {
	cell  harness.Cell
	fate  harness.Fate
	words string
}

// fatesOf takes the workload that ran its programs furthest, as a program that is only loaded gets no further than accepted; nil if no
// workload has fates.
func fatesOf(a *verdict.Analysis) []fated {
	by := map[string][]fated{}
	furthest, chosen := harness.Fate(-1), ""
	for _, t := range a.Run.Trials {
		m, ok := harness.Find(t.Result.Metrics, func(m harness.Metric) bool { return m.Unit == harness.UnitFate })
		w := t.Cell.Workload
		if !ok || strings.HasSuffix(t.Cell.Variant, harness.SuffixAA) ||
			slices.ContainsFunc(by[w], func(f fated) bool { return f.cell.BenchName() == t.Cell.BenchName() }) {
			continue
		}
		f := fated{cell: t.Cell, fate: harness.Fate(m.Value)}
		if s, ok := harness.Find(t.Result.Series, func(s harness.Series) bool { return s.Name == harness.SeriesWords }); ok {
			f.words = s.Notes
		}
		by[w] = append(by[w], f)
		if f.fate > furthest {
			furthest, chosen = f.fate, w
		}
	}
	return by[chosen]
}

// mostNamed is how many variants of a fate a sentence names.
const mostNamed = 3

// fates are the sentences about fates, one for each combination of axis values: how many faults did which harm, and what became of the
// others. Those that the definition's needs name come first, and the first of them begins with yes or no. The baseline has no fault.
func (b board) fates() (out []string) {
	faults := harness.Filter(fatesOf(b.a), func(f fated) bool { return f.cell.Variant != b.baseline })
	groups := harness.GroupBy(faults, func(f fated) string { return f.cell.AxesText() })
	slices.SortFunc(groups, func(x, y []fated) int { return strings.Compare(x[0].cell.AxesText(), y[0].cell.AxesText()) })
	for _, a := range b.a.Run.Env.Answers {
		fit := func(g []fated) bool {
			return a.Unit == harness.UnitFate && g[0].cell.Workload == a.Workload && fits(a, g[0].cell.Axes)
		}
		for _, same := range harness.Filter(groups, fit) {
			text, harm := b.fatesOfOne(same)
			if len(out) == 0 {
				out = append(out, yesOrNo(harm, a.Need+": "+text))
			} else {
				out = append(out, a.Need+": "+text)
			}
		}
		groups = slices.DeleteFunc(groups, fit)
	}
	for _, same := range groups {
		text, _ := b.fatesOfOne(same)
		out = append(out, same[0].cell.At()+": "+text)
	}
	return out
}

// endings are the nouns and adjectives of fates in a sentence, for one fault and for several.
var endings = [...][2]string{
	harness.FateRefused: {"refused", "refused"}, harness.FateAccepted: {"accepted and not run", "accepted and not run"},
	harness.FateHarmless: {"harmless", "harmless"}, harness.FateUnnoticed: {"unnoticed", "unnoticed"},
	harness.FateLeak:       {"leak of kernel memory or an address", "leaks of kernel memory or addresses"},
	harness.FateCorruption: {"corruption of kernel memory", "corruptions of kernel memory"},
	harness.FateOops:       {"crash with an oops", "crashes with an oops"}, harness.FateHang: {"hang", "hangs"},
}

// fatesOfOne is the sentence about faults with the same axis values, the worst fate first; harm says whether the kernel suffered any.
func (b board) fatesOfOne(same []fated) (text string, harm bool) {
	var bad, rest []string
	harmed := 0
	for fate := len(harness.Fates()) - 1; fate >= 0; fate-- {
		had := harness.Filter(same, func(f fated) bool { return int(f.fate) == fate })
		text := fmt.Sprintf("%d %s", len(had), endings[fate][min(1, max(0, len(had)-1))])
		switch names := b.inOrder(had); {
		case len(had) == 0:
		case !harness.Fate(fate).Harmful():
			rest = append([]string{text}, rest...)
		default:
			if more := len(names) - mostNamed; more > 0 {
				names = append(names[:mostNamed:mostNamed], fmt.Sprintf("and %d more", more))
			}
			bad = append(bad, text+" ("+strings.Join(names, ", ")+")")
			harmed += len(had)
		}
	}
	text = fmt.Sprintf("of %s none did harm", plural(len(same), "fault"))
	if harmed > 0 {
		text = fmt.Sprintf("of %s %d did harm: %s", plural(len(same), "fault"), harmed, strings.Join(bad, ", "))
	}
	if len(rest) > 0 {
		text += ". The others: " + strings.Join(rest, ", ")
	}
	return text + ".", harmed > 0
}

// inOrder are the variants of fates in the order of the definition.
func (b board) inOrder(had []fated) (out []string) {
	for _, v := range b.a.Run.Env.Variants {
		if slices.ContainsFunc(had, func(f fated) bool { return f.cell.Variant == v.Name }) {
			out = append(out, v.Name)
		}
	}
	return out
}

// fateGrid is the matrix of fates: a row a variant, a column for each run and combination of axis values. With words it has what the kernel
// said; without, rows in which all is refused are left out.
func fateGrid(runs []*verdict.Analysis, words bool) (g grid, ok bool) {
	g = grid{title: "What became of each fault", head: []string{"variant", "class"}}
	row := map[string][]string{}
	var order []harness.Variant
	notable := map[string]bool{}
	for _, a := range runs {
		all := fatesOf(a)
		var columns []string
		for _, f := range all {
			if at := f.cell.AxesText(); !slices.Contains(columns, at) {
				columns = append(columns, at)
			}
		}
		slices.Sort(columns)
		for _, v := range a.Run.Env.Variants {
			if !slices.ContainsFunc(order, func(o harness.Variant) bool { return o.Name == v.Name }) {
				order = append(order, v)
			}
		}
		for _, at := range columns {
			head := at
			if len(runs) > 1 {
				head = shortKernel(a.ID.Kernel) + " " + at
			}
			for _, f := range harness.Filter(all, func(f fated) bool { return f.cell.AxesText() == at }) {
				text := f.fate.String()
				if words && f.words != "" {
					text += ": " + f.words
				}
				cells := row[f.cell.Variant]
				for len(cells) < len(g.head)-2 {
					cells = append(cells, "–")
				}
				row[f.cell.Variant] = append(cells, text)
				notable[f.cell.Variant] = notable[f.cell.Variant] || f.fate != harness.FateRefused
			}
			g.head = append(g.head, head)
		}
	}
	for _, v := range order {
		cells := row[v.Name]
		if cells == nil || !words && !notable[v.Name] {
			continue
		}
		for len(cells) < len(g.head)-2 {
			cells = append(cells, "–")
		}
		g.rows = append(g.rows, append([]string{v.Name, v.Class}, cells...))
	}
	if len(g.rows) == 0 {
		return g, false
	}
	g.footer = "–: the kernel lacks what the program needs, or no module makes the mistake"
	if !words {
		g.footer += "; faults that all refuse are left out"
	}
	return g, true
}

// shortKernel is major and minor of a release.
func shortKernel(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// WriteFates writes the matrix of fates over several runs, such as one for each kernel, as text or markdown. It writes nothing if no run
// has any.
func WriteFates(w io.Writer, runs []*verdict.Analysis, format string) error {
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	if g, ok := fateGrid(runs, false); ok {
		p.grid(g)
	}
	return p.err
}

// fateLines is the matrix of a run for a terminal, in at most so many lines; nil if it has none.
func (b board) fateLines(o Short, lines int) []string {
	g, ok := fateGrid([]*verdict.Analysis{b.a}, false)
	if !ok || lines < leastRows {
		return nil
	}
	var out strings.Builder
	p, err := newPrinter(&out, "text")
	if err != nil {
		return nil
	}
	p.grid(g)
	all := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(all) > lines {
		all = append(all[:lines-1:lines-1], fmt.Sprintf("… %s more", plural(len(all)-lines+1, "line")))
	}
	return append(harness.Map(all, func(line string) string { return clip(line, o.Width) }), "")
}
