// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// maxLine bounds a line of a guest's report, bytes, and so this machine's memory.
const maxLine = 256 << 20

// A Guest parses the reports of a guest: lines of JSON, in writes of any size.
type Guest struct {
	run     *engine
	piece   *piece
	rest    []byte  // of a line that has not ended
	limit   int     // of a line, bytes; 0: maxLine
	group   *string // the group that is set up or measured
	entered time.Time
	current *Mark     // the trial that is being made
	since   time.Time // of current, by the clock here
	start   time.Time // of the attempt, by the guest's clock
	at      point     // what the guest is doing with a member
	end     *ending
	faulty  bool   // an event was
	watch   *watch // nil: none
	also    io.Writer
}

// Copy has w get the report, too.
func (g *Guest) Copy(w io.Writer) { g.also = w }

var _ io.Writer = (*Guest)(nil)

// Write takes a part of the report. A line that is no event is an error.
func (g *Guest) Write(p []byte) (int, error) {
	if g.also != nil {
		if n, err := g.also.Write(p); err != nil {
			return n, err
		}
	}
	g.rest = append(g.rest, p...)
	for {
		line, rest, whole := bytes.Cut(g.rest, []byte("\n"))
		if limit := cmp.Or(g.limit, maxLine); !whole && len(line) > limit {
			return 0, fmt.Errorf("read report of guest: a line of more than %d bytes: %.100q", limit, line)
		}
		if !whole {
			return len(p), nil
		}
		g.rest = rest
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("read report of guest: %w: %.100q", err, line)
		}
		if err := g.take(e); err != nil {
			return 0, err
		}
	}
}

// take handles one event.
func (g *Guest) take(e event) error {
	r := g.run
	r.mu.Lock()
	defer r.mu.Unlock()
	g.faulty = g.faulty || e.faulty()
	g.at = pointOf(e.Phase)
	switch {
	case e.Enter != nil:
		g.group, g.entered = e.Enter, time.Now()
		return nil
	case e.Ready:
		r.Progress.setup(time.Since(g.entered))
		return nil
	case e.Begin != nil:
		step, ok := r.steps[*e.Begin]
		if !ok {
			return fmt.Errorf("the guest began %s, which was not asked of it", e.Begin.Cell)
		}
		if g.current != nil && *g.current != *e.Begin {
			g.done(*g.current) // after its last attempt
		}
		if g.current == nil {
			g.current, g.since = e.Begin, time.Now()
		}
		g.start = e.Start
		g.watch.trial(step)
		r.Progress.trial(step)
		return nil
	case e.Phase != "":
		g.watch.phase(e.Phase)
		r.Progress.phase(e.Phase)
		return nil
	case e.End != nil:
		g.end = e.End
		if g.current != nil {
			g.done(*g.current)
		}
		return nil
	case e.Trial != nil:
		delete(r.killed, e.Trial.Cell.BenchName())
		g.done(Mark{e.Trial.Cell.BenchName(), e.Trial.Repeat})
	case e.Outcome != nil:
		g.skipCell(e.Outcome.Cell)
	case e.Reject != nil:
		// The guest may begin another attempt.
		r.Progress.remark("rejected %s: %s", e.Reject.Trial.Cell.BenchName(), cut(e.Reject.Reason))
	}
	g.piece.events = append(g.piece.events, e)
	r.flush()
	return r.failed
}

// done counts a step as made.
func (g *Guest) done(m Mark) {
	took := time.Since(g.since) / time.Duration(max(1, g.run.Parallel))
	g.piece.job.Done = append(g.piece.job.Done, m)
	g.current = nil
	g.run.over(m, took)
}

// skipCell counts all steps of a cell as made, so that no other guest sets them up.
func (g *Guest) skipCell(cell string) {
	if g.current != nil && g.current.Cell == cell {
		g.current = nil
	}
	for _, st := range g.piece.steps {
		if m := st.mark(); m.Cell == cell && g.piece.job.includes(st) {
			g.piece.job.Done = append(g.piece.job.Done, m)
			g.run.over(m, 0)
		}
	}
}

// over shows a step as over.
func (r *engine) over(m Mark, took time.Duration) {
	if s, ok := r.steps[m]; ok && !r.finished[m] {
		r.finished[m] = true
		r.Progress.done(s, took)
	}
}

// mourn records what the death of a guest says about the trial in which it died. It returns false if that is nothing.
func (g *Guest) mourn(death error) bool {
	r := g.run
	if r.Died == nil {
		return false
	}
	m := *g.current
	step := r.steps[m]
	name := strings.TrimSuffix(step.Cell.Variant, harness.SuffixAA)
	v, _ := harness.Find(r.plan.Experiment.Variants, func(v harness.Variant) bool { return v.Name == name })
	res, ok, err := r.Died(v, step.Cell, death)
	o, decided := decideTrial(res, err)
	if !ok {
		return false
	}
	if err != nil && !decided { // another guest tries again, once
		again := !g.piece.again[m]
		g.piece.again[m] = true
		return again
	}
	e := event{Trial: &harness.Trial{Cell: step.Cell, Repeat: step.Repeat, Seed: step.Seed, Start: g.start, Result: res}}
	if decided {
		o.Cell = m.Cell
		e = event{Outcome: &o}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Outcome != nil {
		g.skipCell(m.Cell)
	} else {
		g.done(m)
	}
	g.piece.events = append(g.piece.events, e)
	r.flush()
	return true
}

// lose rejects a step that has no number because its guest died.
func (g *Guest) lose(m Mark, reason string) {
	step := g.run.steps[m]
	t := harness.Trial{Cell: step.Cell, Repeat: step.Repeat, Seed: step.Seed}
	if g.current != nil && *g.current == m {
		t.Start = g.start
	}
	g.run.mu.Lock()
	defer g.run.mu.Unlock()
	g.run.Progress.remark("rejected %s: %s", m.Cell, cut(reason))
	g.piece.job.Done = append(g.piece.job.Done, m)
	g.run.over(m, 0)
	g.piece.events = append(g.piece.events, event{Reject: &rejection{t, reason, harness.AtGuest}})
	g.run.flush()
}

// flush records events in the plan's order, as far as they are there. The lock is held.
func (r *engine) flush() {
	for r.failed == nil && r.at < len(r.pieces) {
		s := r.pieces[r.at]
		for ; s.recorded < len(s.events) && r.failed == nil; s.recorded++ {
			r.failed = r.record(s, s.events[s.recorded])
		}
		if !s.over {
			return
		}
		s.events, s.recorded = nil, 0
		r.at++
		if last := r.at == len(r.pieces) || r.pieces[r.at].job.Repeat > s.job.Repeat; last && r.Made != nil && s.job.Work != WorkGates {
			r.Made(s.job.Repeat + 1)
		}
	}
}

// record records one event of a piece.
func (r *engine) record(s *piece, e event) error {
	switch {
	case e.Trial != nil:
		return r.trial(s, *e.Trial)
	case e.Reject != nil:
		return r.reject(e.Reject.Trial, e.Reject.Reason, e.Reject.Where)
	case e.Outcome != nil:
		return r.decide(*e.Outcome)
	case e.Gate != nil:
		r.passed[gateName(e.Gate.Where, e.Gate.Variant)] = e.Gate.Passed
		r.keep(*e.Gate)
		return r.Record.Gate(*e.Gate)
	}
	return errors.New("the guest reported an unknown event")
}

// trial records a trial, if its variant passed its gate in this run.
func (r *engine) trial(s *piece, t harness.Trial) error {
	cell := r.cells.of(t.Cell.BenchName())
	if cell.decided != nil {
		return nil // by the guest that checked the gates
	}
	r.Measured += t.Result.Measured
	if r.Gates > 0 && !r.passed[gateName(s.groups[Mark{t.Cell.BenchName(), t.Repeat}], t.Cell.Variant)] {
		return r.reject(t, "no guest of this run checked its gate", harness.AtGate)
	}
	t.Order = r.order
	r.order++
	r.Valid++
	cell.valid++
	return r.Record.Trial(t)
}

// reject records a rejected trial.
func (r *engine) reject(t harness.Trial, reason, where string) error {
	cell := r.cells.of(t.Cell.BenchName())
	if cell.decided != nil {
		return nil
	}
	t.Order = r.order
	r.order++
	r.Rejected++
	cell.rejected++
	cell.last = record.CellOutcome{Where: where, Reason: reason}
	if where != harness.AtGate {
		r.Measured += t.Result.Measured
	}
	return r.Record.Reject(t, reason)
}

// decide records the outcome of a cell. The first outcome stays, but a failure in any guest replaces another outcome, and a cell
// with a valid trial can only become failed.
func (r *engine) decide(o record.CellOutcome) error {
	cell := r.cells.of(o.Cell)
	failed := o.Outcome == harness.OutcomeFailed
	if cell.decided != nil && (!failed || cell.decided.Outcome == harness.OutcomeFailed) || cell.valid > 0 && !failed {
		return nil
	}
	cell.decided = &o
	return r.Record.Outcome(o)
}
