// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A Guest takes what a guest tells: lines of JSON, in writes of any size.
type Guest struct {
	run   *guests
	shard *shard
	rest  []byte  // of a line that has not ended
	group *string // the group that is being measured
	begun *Mark   // the trial that is being made
	since time.Time
	end   *ending
	watch *watch
}

var _ io.Writer = (*Guest)(nil)

// Write takes a part of what the guest tells. A line that is none of ours is an error.
func (g *Guest) Write(p []byte) (int, error) {
	g.rest = append(g.rest, p...)
	for {
		line, rest, whole := bytes.Cut(g.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		g.rest = rest
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("read what the guest tells: %w: %.100q", err, line)
		}
		if err := g.take(e); err != nil {
			return 0, err
		}
	}
}

// take notes one event.
func (g *Guest) take(e event) error {
	r := g.run
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Enter != nil:
		g.group = e.Enter
		return nil
	case e.Begin != nil:
		step, ok := r.steps[*e.Begin]
		if !ok {
			return fmt.Errorf("the guest began %s, which was not asked of it", e.Begin.Cell)
		}
		if g.begun != nil && *g.begun != *e.Begin {
			g.done(*g.begun) // given up
		}
		g.begun, g.since = e.Begin, time.Now()
		g.watch.trial(step)
		r.Progress.trial(step)
		return nil
	case e.Phase != "":
		g.watch.phase(e.Phase)
		r.Progress.phase(e.Phase)
		return nil
	case e.End != nil:
		g.end = e.End
		if g.begun != nil {
			g.done(*g.begun)
		}
	case e.Trial != nil:
		g.done(Mark{e.Trial.Cell.BenchName(), e.Trial.Repeat})
	case e.Skip != nil:
		if g.begun != nil && g.begun.Cell == e.Skip.Cell.BenchName() {
			g.begun = nil
		}
	case e.Reject != nil:
		// The guest may try again, and says so.
		r.Progress.remark("rejected %s: %s", e.Reject.Trial.Cell.BenchName(), cut(e.Reject.Reason))
	}
	g.shard.told = append(g.shard.told, e)
	r.flush()
	return r.failed
}

// done counts a step as made.
func (g *Guest) done(m Mark) {
	g.shard.job.Done = append(g.shard.job.Done, m)
	g.begun = nil
	if s, ok := g.run.steps[m]; ok {
		g.run.Progress.done(s, time.Since(g.since)/time.Duration(max(1, g.run.Parallel)))
	}
}

// reject notes that a step has no number because its guest died.
func (g *Guest) reject(m Mark, reason string) {
	step := g.run.steps[m]
	t := harness.Trial{Cell: step.Cell, Repeat: step.Repeat, Seed: step.Seed, Start: time.Now()}
	g.run.mu.Lock()
	defer g.run.mu.Unlock()
	g.run.Progress.remark("rejected %s: %s", m.Cell, cut(reason))
	g.shard.told = append(g.shard.told, event{Reject: &rejection{t, reason}})
	g.run.flush()
}

// flush records what is next in the plan's order. The lock is held.
func (r *guests) flush() {
	for r.failed == nil && r.at < len(r.shards) {
		s := r.shards[r.at]
		for ; s.passed < len(s.told) && r.failed == nil; s.passed++ {
			r.failed = r.record(s, s.told[s.passed])
		}
		if !s.over {
			return
		}
		s.told, s.passed = nil, 0
		r.at++
	}
}

// record writes one event of a shard down.
func (r *guests) record(s *shard, e event) error {
	switch {
	case e.Trial != nil:
		t := *e.Trial
		if r.cells.of(t.Cell).skipped {
			return nil // by the guest that checked the gates
		}
		t.Order = r.order
		r.order++
		r.Measured += t.Result.Measured
		if why := r.ungated(s.groups[Mark{t.Cell.BenchName(), t.Repeat}], t.Cell); why != "" {
			r.Rejected++
			return r.Record.Reject(t, why)
		}
		r.Valid++
		r.cells.of(t.Cell).valid++
		return r.Record.Trial(t)
	case e.Reject != nil:
		r.Rejected++
		r.cells.of(e.Reject.Trial.Cell).given = true
		return r.Record.Reject(e.Reject.Trial, e.Reject.Reason)
	case e.Skip != nil:
		st := r.cells.of(e.Skip.Cell)
		if st.skipped {
			return nil
		}
		st.skipped = true
		r.Skipped++
		return r.Record.Skip(e.Skip.Cell, e.Skip.Reason)
	case e.Gate != nil:
		r.passed[e.Gate.Where+"/"+e.Gate.Variant] = e.Gate.Passed
		return r.Record.Gate(*e.Gate)
	case e.End != nil:
		for name, why := range e.End.GateFailed {
			if _, ok := r.GateFailed[name]; !ok {
				r.GateFailed[name] = why
			}
		}
		return nil
	}
	return errors.New("the guest told something unknown")
}
