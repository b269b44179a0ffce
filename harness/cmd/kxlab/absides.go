// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/verdict"
)

// beside is what jobs share that run at the same time. The zero value is for a job alone.
type beside struct {
	free     processors
	progress *runner.Progress
	turn     func(ctx context.Context, repeat int) (end func(), err error) // runner.GuestOptions.Turn
	made     func(repeats int)                                             // runner.GuestOptions.Made
}

// sides measures the jobs of a pair on one kernel, and says meanwhile what the first seeds show.
type sides struct {
	pair    *pair
	jobs    []job   // one of each side, or one of both
	several bool    // kernels
	effect  float64 // verdict.CompareOptions.MinEffect

	mu       sync.Mutex
	made     []int // repeats that are recorded, a job
	said     int   // repeats of the last preliminary answer
	saying   sync.WaitGroup
	progress *runner.Progress
}

// measure measures all jobs. Those of two sides run at the same time: the gates of both come first, then seed after seed of both, so that
// there is something to compare from the second seed on. Without a number of one side, the other is not measured any further. Wrong says
// of which cells there is none.
func (m *sides) measure(outer context.Context, s streams, f abFlags) (wrong []error, err error) {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	m.progress, m.made = s.progress(), make([]int, len(m.jobs))
	free, err := openProcessors()
	if err != nil {
		return nil, err
	}
	places := newQueue(cap(free))
	sums, errs, notes := make([]runner.Summary, len(m.jobs)), make([]error, len(m.jobs)), make([]bytes.Buffer, len(m.jobs))
	order := m.pair.order(len(m.jobs))
	var all sync.WaitGroup
	for at, i := range order {
		j, own := &m.jobs[i], s
		j.beside.progress = m.progress
		if f.target == harness.TargetExact {
			j.beside.made = func(repeats int) { m.recorded(i, repeats) }
		}
		if len(m.jobs) > 1 {
			j.beside.progress, j.beside.free, own.err = m.progress.And(), free, &notes[i]
			j.beside.turn = func(ctx context.Context, repeat int) (func(), error) { return places.enter(ctx, 2*repeat+at) }
		}
		all.Go(func() {
			if sums[i], errs[i] = j.measure(ctx, own, f.runFlags); errs[i] != nil || sums[i].Valid == 0 && !m.several {
				cancel()
			}
		})
	}
	all.Wait()
	m.saying.Wait()
	for _, i := range order {
		if outer.Err() == nil && errors.Is(errs[i], context.Canceled) { // stopped by the other side
			continue
		}
		if _, err := s.err.Write(notes[i].Bytes()); err != nil {
			return nil, err
		}
		if errs[i] != nil {
			return nil, fmt.Errorf("%s%w", m.where(i), errs[i])
		}
		if err := m.lacking(i, sums[i]); err != nil {
			return nil, err
		}
		switch err := wrongError(m.jobs[i], sums[i]); {
		case err == nil:
		case len(m.jobs) > 1 && !m.several && sums[i].Valid == 0:
			return nil, fmt.Errorf("%s%w\n%s is not measured: there would be nothing to hold it against", m.where(i), err, "AB"[1-i:2-i])
		default:
			wrong = append(wrong, fmt.Errorf("%s%w", m.where(i), err))
		}
	}
	return wrong, nil
}

// lacking is the error of a run of both sides in which one of them is not supported in any cell; of other runs the run says so itself.
func (m *sides) lacking(i int, sum runner.Summary) error {
	if len(m.jobs) > 1 || m.several || m.pair.single {
		return nil
	}
	for k, v := range []harness.Variant{m.pair.a, m.pair.b} {
		own := harness.Filter(sum.Outcomes, func(o record.CellOutcome) bool {
			c, err := record.ParseCell(m.pair.experiment.Name, o.Cell)
			return err == nil && c.Variant == v.Name
		})
		if len(own) > 0 && harness.Count(own, func(o record.CellOutcome) bool { return o.Outcome != harness.OutcomeNotSupported }) == 0 {
			sum.Outcomes = own
			return unsupported(fmt.Errorf("%s, %s: %w", "AB"[k:k+1], m.pair.words[k], lackingError(m.jobs[i], sum)))
		}
	}
	return nil
}

// where names a job in front of an error.
func (m *sides) where(i int) (text string) {
	if m.several {
		text = "kernel " + m.jobs[i].kernel + ": "
	}
	if len(m.jobs) > 1 {
		text += fmt.Sprintf("%s, %s: ", "AB"[i:i+1], m.pair.words[i])
	}
	return text
}

// leastSeeds is after how many seeds there is a preliminary answer: one has no variance.
const leastSeeds = 2

// recorded notes that a job has recorded so many repeats. When all jobs have, and more are to come, it says what they show.
func (m *sides) recorded(i, repeats int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made[i] = repeats
	done, all := slices.Min(m.made), m.jobs[0].selection.Repeats
	if done < leastSeeds || done == all || done <= m.said || m.said > 0 && !m.progress.Live() {
		return
	}
	m.said = done
	m.saying.Go(func() {
		if text := m.preliminary(done); text != "" {
			m.progress.Answer(fmt.Sprintf("after %d of %s, preliminary: %s", done, harness.Plural(all, "seed"), text))
		}
	})
}

// preliminary is what the first seeds show; "" if that cannot be said.
func (m *sides) preliminary(seeds int) string {
	runs, err := m.pair.runs([][]job{m.jobs})
	if err != nil || len(runs) != 1 {
		return ""
	}
	return m.shown(runs[0], seeds)
}

// shown is what the first seeds of two runs show; "" without a cell that both have numbers of, as where one side failed its gate.
func (m *sides) shown(runs [2]*record.Run, seeds int) string {
	for _, r := range runs {
		r.Trials = harness.Filter(r.Trials, func(t harness.Trial) bool { return t.Repeat < seeds })
	}
	c, err := verdict.Compare(runs[0], runs[1], verdict.CompareOptions{MinEffect: m.effect, AllowMissing: true})
	if err != nil || len(c.Rows) == 0 {
		return ""
	}
	if c.Count(verdict.Better)+c.Count(verdict.Worse) == 0 { // what so few would have found is no comfort
		return "no difference is shown yet"
	}
	return page.AB{A: m.pair.words[0], B: m.pair.words[1], Comparison: c}.Sentence()
}
