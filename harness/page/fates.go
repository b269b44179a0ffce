// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A fated is what became of a fault in one cell, by its first trial.
type fated struct {
	cell   harness.Cell
	fate   harness.Fate
	words  string
	failed bool // the fate is another than is recorded
	lost   bool // the cell has no fate
}

// fatesBy are the fates of a run by workload. A cell that failed has the fate that its trial found.
func fatesBy(a *verdict.Analysis) map[string][]fated {
	by, known := map[string][]fated{}, map[string]bool{}
	for _, t := range a.Run.Trials {
		fate, ok := t.Result.Fate()
		if !ok || known[t.Cell.BenchName()] || strings.HasSuffix(t.Cell.Variant, harness.SuffixAA) {
			continue
		}
		known[t.Cell.BenchName()] = true
		f := fated{cell: t.Cell, fate: fate}
		if s, ok := harness.Find(t.Result.Series, func(s harness.Series) bool { return s.Name == harness.SeriesWords }); ok {
			f.words = s.Notes
		}
		by[t.Cell.Workload] = append(by[t.Cell.Workload], f)
	}
	for _, o := range a.Run.Unmeasured() {
		c, err := record.ParseCell(a.Run.Env.Experiment, o.Cell)
		if err != nil || by[c.Workload] == nil || o.Outcome == harness.OutcomeNotSupported || strings.HasSuffix(c.Variant, harness.SuffixAA) {
			continue
		}
		fate, err := harness.ParseFate(o.Fate)
		f := fated{cell: c, fate: fate, failed: true, lost: err != nil}
		f.words, _, _ = strings.Cut(o.Reason, "\n")
		by[c.Workload] = append(by[c.Workload], f)
	}
	return by
}

// furthest names the workload that ran its programs furthest, as a program that is only loaded gets no further than accepted. A workload of
// the baseline alone, which has no fault, is none.
func furthest(by map[string][]fated, baseline string) (workload string) {
	most := harness.Fate(-1)
	for _, w := range slices.Sorted(maps.Keys(by)) {
		if !slices.ContainsFunc(by[w], func(f fated) bool { return f.cell.Variant != baseline }) {
			continue
		}
		for _, f := range by[w] {
			if !f.lost && f.fate > most {
				most, workload = f.fate, w
			}
		}
	}
	return workload
}

// fatesOf takes the fates of the workload that ran its programs furthest; nil if no workload has fates.
func fatesOf(a *verdict.Analysis) []fated {
	by := fatesBy(a)
	return by[furthest(by, a.Run.Env.Baseline)]
}

// String is the fate as a table has it.
func (f fated) String() string {
	switch {
	case f.lost:
		return "no outcome"
	case f.failed:
		return f.fate.String() + " (not as recorded)"
	}
	return f.fate.String()
}

// mostNamed is how many variants of a fate a sentence names.
const mostNamed = 3

// fates are the sentences about fates, one for each combination of axis values: how many faults did which harm, and what became of the
// others. Those that the definition's needs name come first, and the first of them begins with yes or no, or says that it is not known: a
// run with faults whose fate is not known says of no harm that there is none. The baseline has no fault.
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
			text = a.Need + ": " + text
			lost := !b.a.Run.Env.Complete || slices.ContainsFunc(same, func(f fated) bool { return f.lost })
			switch {
			case len(out) == 0 && !harm && lost:
				text = sayUnknown + ": " + text
			case len(out) == 0:
				text = yesOrNo(harm, text)
			}
			out = append(out, text)
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
		had := harness.Filter(same, func(f fated) bool { return !f.lost && int(f.fate) == fate })
		text := fmt.Sprintf("%d %s", len(had), endings[fate][min(1, max(0, len(had)-1))])
		switch names := b.inOrder(had); {
		case len(had) == 0:
		case !harness.Fate(fate).Harmful():
			rest = append([]string{text}, rest...)
		default:
			bad = append(bad, text+" ("+few(names)+")")
			harmed += len(had)
		}
	}
	text = fmt.Sprintf("of %s none did harm", plural(len(same), "fault"))
	if harmed > 0 {
		text = fmt.Sprintf("of %s %d did harm: %s", plural(len(same), "fault"), harmed, strings.Join(bad, ", "))
	}
	if lost := b.inOrder(harness.Filter(same, func(f fated) bool { return f.lost })); len(lost) > 0 {
		rest = append(rest, fmt.Sprintf("%d without an outcome (%s)", len(lost), few(lost)))
	}
	if len(rest) > 0 {
		text += ". The others: " + strings.Join(rest, ", ")
	}
	if other := b.inOrder(harness.Filter(same, func(f fated) bool { return f.failed && !f.lost })); len(other) > 0 {
		text += fmt.Sprintf(". Otherwise than recorded: %s", few(other))
	}
	return text + ".", harmed > 0
}

// few names the first of some variants and counts the others.
func few(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		names = append(names[:mostNamed:mostNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
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
	return fateGridOf(runs, words, fatesOf)
}

// fateGridOf is fateGrid of those fates of each run.
func fateGridOf(runs []*verdict.Analysis, words bool, of func(*verdict.Analysis) []fated) (g grid, ok bool) {
	g = grid{title: "What became of each fault", head: []string{"variant", "class"}}
	row := map[string][]string{}
	var order []harness.Variant
	notable := map[string]bool{}
	for _, a := range runs {
		all := of(a)
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
				text := f.String()
				if words && f.words != "" {
					text += ": " + f.words
				}
				cells := row[f.cell.Variant]
				for len(cells) < len(g.head)-2 {
					cells = append(cells, "–")
				}
				row[f.cell.Variant] = append(cells, text)
				notable[f.cell.Variant] = notable[f.cell.Variant] || f.failed || f.fate != harness.FateRefused
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
