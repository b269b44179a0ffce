// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/unit"
)

// Most steps and vanished series of a change that are written unless all are asked for.
const mostSteps, mostVanished = 5, 3

// WriteHistory writes what changed along a line of commits, the newest first, a table a change, and what was left out.
func WriteHistory(w io.Writer, l history.Line, changes []history.Change, format string, all bool) error {
	if format == "json" {
		return writeJSON(w, jsonHistory(l, changes))
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	p.heading(historyTitle(l, changes))
	for _, c := range changes {
		g := changeGrid(l, c, all)
		for _, note := range slices.Backward(noteTexts(l, c)) {
			g.footer = strings.TrimSuffix(strings.TrimSuffix(note, ".")+"; "+g.footer, "; ")
		}
		switch {
		case len(g.rows) > 0:
			p.grid(g)
		case g.footer != "":
			p.list(g.title, []string{g.footer})
		default:
			p.list(g.title, []string{"no step, and no series vanished"})
		}
	}
	p.list("Remarks", slices.Concat(notesLeft(l, changes), l.Remarks))
	return p.err
}

// historyTitle is the answer of a history in a sentence.
func historyTitle(l history.Line, changes []history.Change) string {
	n := harness.Count(changes, func(c history.Change) bool { return len(c.Steps)+len(c.Vanished) > 0 })
	text := fmt.Sprintf("%s, %s: ", plural(len(l.Entries), "measured commit"), spanText(l))
	worse := harness.Count(changes, func(c history.Change) bool { return c.Worse() > 0 && len(c.Environment) == 0 })
	vanished := harness.Count(changes, func(c history.Change) bool { return len(c.Vanished) > 0 })
	switch {
	case n == 0:
		return text + "nothing changed"
	case worse > 0:
		text += fmt.Sprintf("%s, %d of them with steps for the worse", plural(n, "change"), worse)
	default:
		text += fmt.Sprintf("%s, none with a step for the worse by its commit", plural(n, "change"))
	}
	if vanished > 0 {
		text += fmt.Sprintf(", %d with series that vanished", vanished)
	}
	return text
}

// spanText is from which commit to which a line goes.
func spanText(l history.Line) string {
	if len(l.Entries) == 0 {
		return "none on this line"
	}
	return short(l.Entries[0].Commit) + " to " + short(l.Entries[len(l.Entries)-1].Commit)
}

// short is a commit as people name it.
func short(commit string) string { return commit[:min(10, len(commit))] }

// ChangeTitle names a change: its commit and subject, or the range of commits in which it lies, and what else changed there.
func ChangeTitle(l history.Line, c history.Change) string {
	e, since := l.Entries[c.At], l.Entries[c.Since]
	text := short(e.Commit)
	if e.Subject != "" {
		text += " " + e.Subject
	}
	switch between := l.Place[c.At] - l.Place[c.Since]; {
	case c.Drift:
		text = fmt.Sprintf("a drift over %d commits after %s, up to %s: no one of them alone", between, short(since.Commit), text)
	case between > 1:
		text = fmt.Sprintf("one of %d commits after %s, up to %s", between, short(since.Commit), text)
	}
	if len(c.Environment) > 0 {
		text += "; not the commit alone: " + strings.Join(c.Environment, ", ")
	}
	if len(c.Lab) > 0 {
		text += "; the lab changed, too: " + strings.Join(c.Lab, ", ")
	}
	return text
}

// changeGrid is the table of a change: its largest steps and what vanished.
func changeGrid(l history.Line, c history.Change, all bool) grid {
	g := grid{title: ChangeTitle(l, c), head: []string{"cell", "before", "after", "unit", "change", ""}}
	steps := c.Steps
	if !all {
		steps = steps[:min(mostSteps, len(steps))]
	}
	for _, s := range steps {
		sc := unit.ScaleFor(s.Unit, []float64{s.Before})
		g.rows = append(g.rows, []string{cellText(s.Setting, s.Cell), fine(s.Before * sc.Factor), fine(s.After * sc.Factor), sc.Column(s.Unit), stepText(s), wayText(s.Way)})
	}
	var more []string
	if left := len(c.Steps) - len(steps); left > 0 {
		more = append(more, plural(left, "smaller step")+" left out (--all)")
	}
	if n := len(c.Vanished); n > 0 {
		most := n
		if !all {
			most = min(mostVanished, n)
		}
		names := harness.Map(c.Vanished[:most], func(s history.Series) string { return s.Cell + " " + s.Unit })
		if n > most {
			names = append(names, "… (--all)")
		}
		more = append(more, fmt.Sprintf("%d series vanished: %s", n, strings.Join(names, ", ")))
	}
	for _, old := range slices.Sorted(maps.Keys(c.Renamed)) {
		more = append(more, fmt.Sprintf("%s, which is new, has all figures of %s", c.Renamed[old], old))
	}
	g.footer = strings.Join(more, "; ")
	return g
}

// noteTexts are what is known about the commits of a change.
func noteTexts(l history.Line, c history.Change) []string {
	return harness.Map(l.NotesOf(c), func(n history.Note) string { return short(n.Commit) + ": " + n.Text })
}

// notesLeft are the notes on commits that are in no change.
func notesLeft(l history.Line, changes []history.Change) []string {
	return harness.Map(l.NotesLeft(changes), func(n history.Note) string {
		return "a note on " + short(n.Commit) + ", where nothing changed: " + n.Text
	})
}

// cellText is a cell with where it was measured.
func cellText(s history.Setting, cell string) string {
	words := []string{s.Experiment, "on", s.Target + ":"}
	for _, part := range strings.Split(cell, "/")[1:] {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "class":
		case "workload", "variant":
			words = append(words, value)
		default:
			words = append(words, part)
		}
	}
	return strings.Join(words, " ")
}

// stepText is the size of a step.
func stepText(s history.Step) string {
	switch {
	case strings.HasSuffix(s.Unit, "share"):
		return fmt.Sprintf("%+.2f points", 100*s.Effect)
	case s.Before <= 0: // no share of nothing
		return "from " + fine(s.Before)
	}
	return unit.Percent(s.Effect, true)
}

// wayText says whether a step is for the better.
func wayText(way int) string {
	return map[int]string{1: "better", -1: "worse", 0: "differs"}[way]
}

// jsonHistory is a history as one document.
func jsonHistory(l history.Line, changes []history.Change) any {
	type step struct {
		Cell   string   `json:"cell"`
		Unit   string   `json:"unit"`
		Target string   `json:"target"`
		Before float64  `json:"before"`
		After  float64  `json:"after"`
		Effect *float64 `json:"effect"` // null: the figure before is 0
		Way    string   `json:"verdict"`
	}
	type change struct {
		Commit      string            `json:"commit"`
		Since       string            `json:"since"`
		Commits     int               `json:"commits"` // of which one is to blame, unless it is a drift
		Drift       bool              `json:"drift,omitempty"`
		Environment []string          `json:"environment,omitempty"`
		Lab         []string          `json:"lab,omitempty"`
		Steps       []step            `json:"steps"`
		Vanished    []string          `json:"vanished,omitempty"`
		Renamed     map[string]string `json:"renamed,omitempty"`
		Notes       []string          `json:"notes,omitempty"`
	}
	out := struct {
		Commits []string `json:"commits"`
		Changes []change `json:"changes"`
		Remarks []string `json:"remarks,omitempty"`
	}{harness.Map(l.Entries, func(e history.Entry) string { return e.Commit }), []change{}, slices.Concat(notesLeft(l, changes), l.Remarks)}
	for _, c := range changes {
		j := change{Commit: l.Entries[c.At].Commit, Since: l.Entries[c.Since].Commit, Commits: l.Place[c.At] - l.Place[c.Since], Drift: c.Drift, Environment: c.Environment, Lab: c.Lab, Steps: []step{}, Renamed: c.Renamed, Notes: noteTexts(l, c)}
		for _, s := range c.Steps {
			effect := &s.Effect
			if s.Before <= 0 && !strings.HasSuffix(s.Unit, "share") {
				effect = nil
			}
			j.Steps = append(j.Steps, step{s.Cell, s.Unit, s.Target, s.Before, s.After, effect, wayText(s.Way)})
		}
		for _, s := range c.Vanished {
			j.Vanished = append(j.Vanished, s.Cell+" "+s.Unit)
		}
		out.Changes = append(out.Changes, j)
	}
	return out
}

// WriteSeries writes the medians of the series that a word chooses, commit by commit, the oldest first.
func WriteSeries(w io.Writer, l history.Line, chosen func(history.Setting, history.Series) bool, format string) error {
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	lines := l.Lines(chosen)
	if len(lines) == 0 {
		return fmt.Errorf("no series has that in its name; kxlab history --series '' writes all")
	}
	for _, s := range lines {
		sc := unit.ScaleFor(s.Unit, harness.Map(s.Points, func(p history.Point) float64 { return p.Median }))
		g := grid{title: cellText(s.Setting, s.Cell), head: []string{"commit", sc.Unit, "subject"}}
		for _, v := range s.Points {
			e := l.Entries[v.At]
			g.rows = append(g.rows, []string{short(e.Commit), fine(v.Median * sc.Factor), e.Subject})
		}
		p.grid(g)
	}
	return p.err
}
