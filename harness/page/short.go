// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// Short says how the short form of a run is written.
type Short struct {
	Lines  int // at most; 0: ShortLines. No fewer than leastLines are taken, of a brief one leastBrief
	Width  int // columns, from leastWidth to shortWidth; 0: shortWidth
	Colour bool
	NoPage bool // the run has no page, or not the one of today: none is named
	Brief  bool // the answer and where the page is, without tables
}

// ShortLines is how many lines the short form of a run has at most.
const ShortLines = 60

const (
	shortWidth = 118
	leastWidth = 60
	leastLines = 13            // for the answer, one table and where to read on
	leastBrief = 6             // for the answer, what has no number and where to read on
	leastRows  = 3             // of a table: the baseline, the best, and one to compare it with
	leastTable = leastRows + 4 // its lines with its head, the legend, and empty lines around it
)

// WriteShort writes what a terminal shows of a run: the answer, a table a workload, what has no number, and where the rest is. Tables hold the baseline, the best of each class, and what else there is room for.
func WriteShort(w io.Writer, a *verdict.Analysis, o Short) error {
	least, reasons, table := leastLines, reasonLines, leastTable
	if o.Brief {
		least, reasons, table = leastBrief, 1, 0
	}
	o.Lines, o.Width = max(cmp.Or(o.Lines, ShortLines), least), min(max(cmp.Or(o.Width, shortWidth), leastWidth), shortWidth)
	b, id := newBoard(a), a.ID
	b.told = b.answer()
	tail := b.without(o.Width, reasons)
	if !o.Brief {
		all := "All tables"
		if len(a.Run.Functions) > 0 {
			all += ", functions too"
		}
		tail = append(tail, inLine(fmt.Sprintf("%s: kxlab report --all %s", all, a.Run.Dir)))
	}
	if !o.NoPage {
		tail = append(tail, inLine("Page: "+Path(a.Run.Dir)))
		if len(a.Run.Stacks) > 0 {
			tail = append(tail, inLine("Flame graphs: "+filepath.Join(a.Run.Dir, stacksDir)))
		}
	}
	head := []string{o.paint(bold, fmt.Sprintf("%s on %s, kernel %s: %s", id.Experiment, id.Target, id.Kernel, id.State))}
	room := o.Lines - len(head) - len(tail) - table
	sentences := slices.Concat(b.told, b.judged())
	told := whole(sentences, o.Width, room)
	if o.Brief {
		for len(told) > room && len(sentences) > 1 {
			sentences = sentences[:len(sentences)-1]
			told = whole(sentences, o.Width, room)
		}
		head = append(head, told[:min(len(told), room)]...)
	} else {
		head = append(append(head, told...), "")
		body := b.fateLines(o, o.Lines-len(head)-len(tail)-1)
		if body == nil {
			body = b.tables(o, o.Lines-len(head)-len(tail)-1)
		}
		head = append(head, body...)
	}
	_, err := fmt.Fprintln(w, strings.Join(append(head, tail...), "\n"))
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Colours of terminals (ECMA-48).
const (
	bold  = "1"
	green = "32"
	red   = "31"
)

func (o Short) paint(colour, text string) string {
	if !o.Colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// tables are the tables that fit in so many lines, an empty line behind each, and lines about how to read them. A table has room for the
// variants that the answer names of it.
func (b board) tables(o Short, lines int) []string {
	lines -= legendLines(o.Width)
	rows := harness.Map(b.workloads, func(w string) int {
		_, own, _ := b.cited(w)
		return max(leastRows, 1+len(own))
	})
	spare := func() (left int) {
		for _, n := range rows {
			left += n + 2
		}
		return lines - left
	}
	for len(rows) > 1 && spare() < 0 {
		rows = rows[:len(rows)-1]
	}
	if len(rows) == 0 || lines-2 < leastRows {
		return nil
	}
	rows[0] = min(rows[0], lines-2)
	shown, free := b.workloads[:len(rows)], spare()
	var out []string
	moreRows, morePanels := 0, 0
	for i, w := range shown {
		table, r, p := b.table(o, w, rows[i]+free/(len(shown)-i)) // the last takes what is left over
		free += rows[i] - (len(table) - 1)
		moreRows, morePanels = moreRows+r, morePanels+p
		out = append(append(out, table...), "")
	}
	legend := "Medians"
	if text := strings.Join(out, "\n"); strings.Contains(text, " [") {
		legend += "; against " + b.baseline + ": median of paired quotients [interval], not the quotient of medians"
		if strings.Contains(text, "] ~") {
			legend += "; ~: no difference shown"
		}
	}
	var omitted []string
	if moreRows > 0 {
		omitted = append(omitted, plural(moreRows, "row"))
	}
	if morePanels > 0 {
		omitted = append(omitted, plural(morePanels, "column"))
	}
	if len(omitted) > 0 {
		legend += "; " + strings.Join(omitted, " and ") + " left out"
	}
	if left := b.workloads[len(shown):]; len(left) > 0 {
		legend += "; tables left out: " + strings.Join(left, ", ")
	}
	return append(out, wrap(legend+".", o.Width, legendLines(o.Width))...)
}

// legendLines is how many lines the legend below the tables has at most.
func legendLines(width int) int { return 1 + 130/width }

// A column is a panel's values, or the effects against the baseline.
type column struct {
	head  string
	cells []string
	paint []string // the colour of each cell
	width int
}

func (c *column) add(text, colour string) {
	c.cells, c.paint = append(c.cells, text), append(c.paint, colour)
	c.width = max(c.width, utf8.RuneCountInString(text))
}

// table is the table of a workload with at most so many rows, and how many of its rows and panels were left out.
func (b board) table(o Short, workload string, rows int) (out []string, moreRows, morePanels int) {
	panels, own, others := b.cited(workload)
	said := func(p panel) bool {
		return slices.ContainsFunc(panels, func(o panel) bool { return o.unit == p.unit && o.where == p.where })
	}
	for _, p := range slices.Concat(b.main[workload], b.more[workload]) {
		if !said(p) {
			panels = append(panels, p)
		}
	}
	names, more := b.rows(panels[0], slices.Concat(own, others), rows)
	first := column{head: workload, width: len(workload)}
	for _, n := range names {
		first.add(n, "")
	}
	columns, shown := []column{first}, 0
	width := first.width
	for _, p := range panels {
		if !slices.ContainsFunc(names, func(n string) bool { return p.cells[n] != nil }) {
			continue
		}
		pair := b.columns(p, names)
		room := 0
		for _, c := range pair {
			room += c.width + 2
		}
		if len(columns) > 1 && width+room > o.Width {
			break
		}
		columns, width, shown = append(columns, pair...), width+room, shown+1
	}
	out = make([]string, len(names)+1)
	for _, c := range columns {
		out[0] += pad(c.head, c.width) + "  "
		for i := range names {
			cell := c.cells[i]
			out[i+1] += o.paint(c.paint[i], cell) + strings.Repeat(" ", c.width-utf8.RuneCountInString(cell)) + "  "
		}
	}
	for i := range out {
		out[i] = strings.TrimRight(out[i], " ")
	}
	out[0] = o.paint(bold, out[0])
	return out, more, len(b.all(workload)) - shown
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// rows are the variants that a table shows, in the order of the definition: the baseline, those that the answer cites of the workload and then
// those of others, the best other one of the baseline's class, the best of each class, the best of the rest; and how many are left out.
func (b board) rows(p panel, cited []string, most int) ([]string, int) {
	ranked := b.sorted(p)
	var order []string
	take := func(name string) {
		if name != "" && p.cells[name] != nil && !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	take(b.baseline)
	for _, name := range cited {
		take(name)
	}
	class := func(name string) string { return p.cells[name].Cell.Class }
	if p.cells[b.baseline] != nil {
		rivals := harness.Filter(ranked, func(name string) bool { return name != b.baseline && class(name) == class(b.baseline) })
		if len(rivals) > 0 {
			take(rivals[0])
		}
	}
	for _, same := range harness.GroupBy(ranked, class) {
		take(same[0])
	}
	for _, name := range ranked {
		take(name)
	}
	for _, v := range b.a.Run.Env.Variants { // ceilings, and those that are wrong on purpose
		take(v.Name)
	}
	shown := order[:min(most, len(order))]
	names := harness.Filter(harness.Map(b.a.Run.Env.Variants, func(v harness.Variant) string { return v.Name }),
		func(name string) bool { return slices.Contains(shown, name) })
	return names, len(order) - len(shown)
}

// columns are a panel's values and, if it has the baseline beside others, its effects.
func (b board) columns(p panel, names []string) []column {
	value, against := column{head: p.scale.Unit}, column{head: "against " + b.baseline}
	if strings.HasSuffix(p.unit, "share") { // whose scale is a bare %
		value.head = p.unit + " " + value.head
	}
	if p.where != "" {
		value.head += ", " + p.where
	}
	value.width, against.width = utf8.RuneCountInString(value.head), utf8.RuneCountInString(against.head)
	any := false
	for _, name := range names {
		s := p.cells[name]
		if s == nil {
			value.add("-", "")
			against.add("", "")
			continue
		}
		text := p.scale.Format(b.a.Summary(s).Median)
		if s.Beyond > 0 {
			text = "at least " + text
		}
		value.add(text, "")
		v, ok := b.a.Against(s, b.baseline)
		if !ok {
			against.add("", "")
			continue
		}
		any = true
		if !b.a.Ranked(s.Cell) && v.Tested() { // a limit, or wrong on purpose: nothing to choose
			v.Verdict = s.Cell.Class
		}
		against.add(againstText(v, p.unit))
	}
	if !any {
		return []column{value}
	}
	return []column{value, against}
}

// againstText is an effect in a table of the terminal, and its colour.
func againstText(v verdict.Against, name string) (text, colour string) {
	text, says, colour := effectText(v, name)
	if v.Verdict == verdict.OneTrial { // the whole run or cell has one, which the answer says
		return text, ""
	}
	return text + " " + says, colour
}

// reasonLines is how many lines the first reason of cells or trials without a number has at most. Names of cells alone are nearly one.
const reasonLines = 3

// without are lines about cells and trials that have no number.
func (b board) without(width, lines int) (out []string) {
	r := b.a.Run
	if lacking := r.Unmeasured(); len(lacking) > 0 {
		counts := map[harness.Outcome]int{}
		for _, o := range lacking {
			counts[o.Outcome]++
		}
		var parts []string
		for _, o := range harness.Outcomes() {
			if counts[o] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
			}
		}
		first, _, _ := strings.Cut(b.a.Unmeasured[0], "\n")
		out = append(out, wrap(fmt.Sprintf("Cells without a number: %s; first: %s", strings.Join(parts, ", "), first), width, lines)...)
	}
	if n := len(r.Env.Rejected); n > 0 {
		first := r.Env.Rejected[0]
		name := first.Cell
		if c, err := record.ParseCell(r.Env.Experiment, first.Cell); err == nil {
			name = c.Workload + " " + c.Variant
		}
		reason, _, _ := strings.Cut(first.Reason, "\n")
		out = append(out, wrap(fmt.Sprintf("Rejected: %s; first: %s: %s", plural(n, "trial"), name, reason), width, lines)...)
	}
	return out
}

// whole breaks sentences into lines, each into as many as it needs if all together have room, else into three at most.
func whole(sentences []string, width, room int) []string {
	var out []string
	for most := max(room, 3); most >= 3; most-- {
		out = nil
		for _, s := range sentences {
			out = append(out, wrap(s, width, most)...)
		}
		if len(out) <= room {
			return out
		}
	}
	return out
}

// clip cuts a text to one line of so many columns.
func clip(text string, width int) string {
	text, _, _ = strings.Cut(text, "\n")
	text = inLine(text)
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

// wrap breaks a text into at most so many lines at spaces; what is longer is cut.
func wrap(text string, width, most int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(inLine(text)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			if len(out) == most-1 {
				return append(out, clip(line+" …", width))
			}
			out, line = append(out, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(out, clip(line, width))
}
