// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A KernelSet is what the costs of one experiment are on several kernels, and what became of its faults, in exact guests that differ in nothing else.
type KernelSet struct {
	Title   string // of the experiment
	Names   []string
	Shown   string // how much was measured
	Answers []string
	Tables  []SetTable
}

// A SetTable is a table of a KernelSet.
type SetTable struct {
	Title, Footer string
	Head          []string
	Rows          [][]string
}

// KernelSets groups runs that differ in their kernel alone, the kernels in the order of their versions. Runs of other targets than exact, and
// those without a run on another kernel, are in no set.
func KernelSets(all []*verdict.Analysis) (out []KernelSet, err error) {
	type same struct {
		experiment, cpu, profile string
		seed                     uint64
	}
	exact := harness.Filter(all, func(a *verdict.Analysis) bool { return a.Run.Env.Target == harness.TargetExact })
	for _, of := range harness.GroupBy(exact, func(a *verdict.Analysis) same {
		e := a.Run.Env
		return same{e.Experiment, e.CPU, e.Profile, e.Seed}
	}) {
		slices.SortStableFunc(of, func(a, b *verdict.Analysis) int { return byVersion(a.Run.Env.Kernel, b.Run.Env.Kernel) })
		of = slices.CompactFunc(of, func(a, b *verdict.Analysis) bool { return a.Run.Env.Kernel == b.Run.Env.Kernel })
		if len(of) < 2 {
			continue
		}
		set, err := newKernelSet(of)
		if err != nil {
			return nil, err
		}
		out = append(out, set)
	}
	return out, nil
}

var numbersRE = regexp.MustCompile(`\d+`)

// byVersion compares the numbers in two kernels' releases.
func byVersion(a, b string) int {
	numbers := func(release string) []int {
		return harness.Map(numbersRE.FindAllString(release, 4), func(n string) int { v, _ := strconv.Atoi(n); return v })
	}
	return cmp.Or(slices.Compare(numbers(a), numbers(b)), cmp.Compare(a, b))
}

// buildRE matches what a release has after its version.
var buildRE = regexp.MustCompile(`(\+.*|-(cloud|rt|amd64|arm64).*)$`)

// kernelName is a release without its build: "7.2.12" of "7.2.12+deb14-cloud-amd64".
func kernelName(release string) string { return buildRE.ReplaceAllString(release, "") }

// isCost reports whether a unit counts work that a kernel does or makes: instructions, bytes of code, or the verifier's time, which
// counts its instructions on target exact.
func isCost(name string) bool {
	return strings.Contains(name, "insn") || name == "jited-B" || name == "verify-sec"
}

func newKernelSet(of []*verdict.Analysis) (s KernelSet, err error) {
	e := of[len(of)-1].Run.Env
	s.Title = cmp.Or(e.Ask, e.Title, e.Experiment)
	s.Names = harness.Map(of, func(a *verdict.Analysis) string { return kernelName(a.Run.Env.Kernel) })
	s.Shown = fmt.Sprintf("%s, profile %s, %s a cell at most, %s", e.Experiment, e.Profile, plural(e.Repeats, "trial"), e.CPU)
	var steps []*verdict.Comparison
	for i := 1; i < len(of); i++ {
		c, err := verdict.Compare(of[i-1].Run, of[i].Run, verdict.CompareOptions{Kernels: true})
		if err != nil {
			return s, err
		}
		c.Rows = harness.Filter(c.Rows, func(r verdict.Row) bool {
			return isCost(r.Unit) && !strings.HasSuffix(r.Cell.Variant, harness.SuffixAA)
		})
		steps = append(steps, c)
		s.Answers = append(s.Answers, stepAnswer(s.Names[i-1], s.Names[i], c))
	}
	for _, rows := range harness.GroupBy(verdict.Align(steps), func(r verdict.Aligned) string { return r.Cell.Workload }) {
		s.Tables = append(s.Tables, s.table(rows))
	}
	s.addFates(of)
	s.addFunctions(of)
	return s, nil
}

// addFates adds a table of what became of each fault, before all others, those of other workloads in which a fault has several fates, and an
// answer that names these faults.
func (s *KernelSet) addFates(of []*verdict.Analysis) {
	g, ok := fateGrid(of, false)
	if !ok {
		return
	}
	newest := of[len(of)-1]
	last := fatesBy(newest)
	chosen := furthest(last, newest.Run.Env.Baseline)
	tables := []SetTable{{Title: g.title, Head: g.head, Rows: g.rows, Footer: g.footer}}
	var all, differ []string
	for _, w := range slices.Sorted(maps.Keys(last)) {
		known, otherwise := compareFates(of, w)
		all, differ = append(all, known...), append(differ, otherwise...)
		if w == chosen || len(otherwise) == 0 {
			continue
		}
		g, _ := fateGridOf(of, false, func(a *verdict.Analysis) []fated { return fatesBy(a)[w] })
		rows := harness.Filter(g.rows, func(row []string) bool { return slices.Contains(otherwise, row[0]) })
		tables = append(tables, SetTable{Title: "Fates that differ in " + w, Head: g.head, Rows: rows})
	}
	s.Tables = append(tables, s.Tables...)
	unique := func(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }
	all, differ = unique(all), unique(differ)
	if len(differ) == 0 {
		s.Answers = append(s.Answers, fmt.Sprintf("These kernels treat each of %s alike.", plural(len(all), "fault")))
		return
	}
	s.Answers = append(s.Answers, fmt.Sprintf("These kernels treat %d of %s otherwise: %s.", len(differ), plural(len(all), "fault"), strings.Join(differ, ", ")))
}

// compareFates names the faults that a workload has on several kernels, and those of them with several fates in cells that differ in their
// kernel alone. The baseline has no fault.
func compareFates(of []*verdict.Analysis, workload string) (all, otherwise []string) {
	fates := map[string]harness.Fate{} // by cell
	for _, a := range of {
		for _, f := range fatesBy(a)[workload] {
			if f.lost || f.cell.Variant == a.Run.Env.Baseline {
				continue
			}
			had, known := fates[f.cell.BenchName()]
			if known {
				all = append(all, f.cell.Variant)
			}
			if known && had != f.fate {
				otherwise = append(otherwise, f.cell.Variant)
			}
			fates[f.cell.BenchName()] = f.fate
		}
	}
	return all, otherwise
}

// stepAnswer says what costs more on a kernel, and what less, than the one before.
func stepAnswer(before, after string, c *verdict.Comparison) string {
	text := fmt.Sprintf("%s after %s: of %s ", after, before, plural(len(c.Rows), "cost"))
	var parts []string
	for _, way := range [][2]string{{verdict.Worse, "higher"}, {verdict.Better, "lower"}} {
		rows := harness.Filter(c.Rows, func(r verdict.Row) bool { return r.Verdict == way[0] })
		part := fmt.Sprintf("%d %s", len(rows), way[1])
		if len(rows) > 0 {
			top := slices.MaxFunc(rows, func(a, b verdict.Row) int { return cmp.Compare(max(a.Delta, -a.Delta), max(b.Delta, -b.Delta)) })
			part += fmt.Sprintf(", most %s (%s%s)", costName(top), deltaText(top), intervalText(top))
		}
		parts = append(parts, part)
	}
	return text + strings.Join(parts, "; ") + "."
}

// costName names a cost: "iptables in newflow".
func costName(r verdict.Row) string {
	return fmt.Sprintf("%s in %s, %s", r.Cell.Variant, r.Cell.Workload, r.Unit)
}

// table is the table of a workload: a value on each kernel, and the change from each to the next.
func (s KernelSet) table(rows []verdict.Aligned) SetTable {
	t := SetTable{Title: rows[0].Cell.Workload, Head: append([]string{"variant", "unit"}, s.Names...)}
	for i := 1; i < len(s.Names); i++ {
		t.Head = append(t.Head, s.Names[i]+" against "+s.Names[i-1])
	}
	shared := harness.Cell{Axes: harness.Filter(rows[0].Cell.Axes, func(a harness.AxisValue) bool {
		return !slices.ContainsFunc(rows, func(r verdict.Aligned) bool { return !slices.Contains(r.Cell.Axes, a) })
	})}
	if at := shared.AxesText(); at != "" {
		t.Title += " at " + at
	}
	for _, r := range rows {
		values := make([]string, len(s.Names))
		var known []float64
		for _, x := range r.Rows {
			if x != nil {
				known = append(known, x.Old.Median, x.New.Median)
			}
		}
		sc := unit.ScaleFor(r.Unit, known)
		for i := range values {
			values[i] = "–"
			if i < len(r.Rows) && r.Rows[i] != nil {
				values[i] = sc.Format(r.Rows[i].Old.Median)
			} else if i > 0 && r.Rows[i-1] != nil {
				values[i] = sc.Format(r.Rows[i-1].New.Median)
			}
		}
		own := harness.Cell{Axes: harness.Filter(r.Cell.Axes, func(a harness.AxisValue) bool { return !slices.Contains(shared.Axes, a) })}
		at := strings.TrimSpace(r.Cell.Variant + " " + own.AxesText())
		t.Rows = append(t.Rows, slices.Concat([]string{at, sc.Column(r.Unit)}, values, harness.Map(r.Rows, kernelText)))
	}
	t.Footer = "change: [interval over the seeds]; ~: no difference shown; –: not on this kernel"
	return t
}

// kernelText is a row's change from one kernel to the next with its interval and verdict.
func kernelText(r *verdict.Row) string {
	if r == nil {
		return "–"
	}
	return deltaText(*r) + intervalText(*r) + " " + r.Verdict
}

// addFunctions adds a table for each cell whose instructions all runs counted by function.
func (s *KernelSet) addFunctions(of []*verdict.Analysis) {
	for _, first := range of[len(of)-1].Run.Functions {
		var tables []profile.Table
		var names []string
		for i, a := range of {
			if t, ok := harness.Find(a.Run.Functions, func(t profile.Table) bool { return t.Cell == first.Cell && t.Unit == first.Unit }); ok {
				tables, names = append(tables, t), append(names, s.Names[i])
			}
		}
		c, err := record.ParseCell(of[0].Run.Env.Experiment, first.Cell)
		if err != nil || strings.HasSuffix(c.Variant, harness.SuffixAA) {
			continue
		}
		g := grid{head: append([]string{"function"}, names...)}
		g.addFunctions(tables, largest(tables))
		s.Tables = append(s.Tables, SetTable{
			Title: fmt.Sprintf("%s: functions of %s", c.At(), c.Variant), Head: g.head, Rows: g.rows,
			Footer: fmt.Sprintf("executed instructions of one %s, in one more trial on each kernel", wordOf(first.Unit)),
		})
	}
}

// largest names the functions that take most in any of the tables.
func largest(tables []profile.Table) (out []string) {
	most := map[string]float64{}
	for _, t := range tables {
		for _, f := range t.Functions {
			most[f.Name] = max(most[f.Name], f.Value)
		}
	}
	out = slices.SortedFunc(maps.Keys(most), func(a, b string) int { return cmp.Or(cmp.Compare(most[b], most[a]), cmp.Compare(a, b)) })
	return out[:min(functionRows, len(out))]
}
