// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Intervals between lines where there is no terminal.
const (
	plainEvery = 5 * time.Second
	quietEvery = time.Minute
)

// Progress shows the progress of a run: as one line that is rewritten on a terminal, as plain lines at intervals elsewhere. It is
// used by one goroutine.
type Progress struct {
	w     io.Writer
	width int // of the terminal, columns; 0: no terminal
	now   func() time.Time
	every time.Duration // between plain lines
	quiet bool          // no lines that stay
	// Rename, if not nil, changes each text before it is shown.
	Rename func(text string) string

	est     estimate
	trials  int // in the plan
	at      int // trials over
	started time.Time
	written time.Time // when the last line was written
	live    bool      // the cursor stands behind a live line
}

// NewProgress returns a Progress that writes to w, on a live line of that many columns, or in plain lines if 0.
func NewProgress(w io.Writer, columns int) *Progress {
	return &Progress{w: w, width: columns, now: time.Now, every: plainEvery}
}

// NewQuietProgress is a NewProgress without lines that stay, and with a plain line a minute, the first after one.
func NewQuietProgress(w io.Writer, columns int) *Progress {
	return &Progress{w: w, width: columns, now: time.Now, every: quietEvery, quiet: true}
}

func (p *Progress) begin(plan *Plan) {
	p.est = newEstimate(plan)
	p.trials, p.at, p.started = plan.Trials(), 0, p.now()
	if p.quiet {
		p.written = p.started
	}
	p.remark("%d cells, %d trials, about %s", plan.Cells(), p.trials, round(p.est.remaining()))
}

// setup counts a group that was set up and checked.
func (p *Progress) setup(took time.Duration) { p.est.setups.add(took) }

// trial shows that a trial begins.
func (p *Progress) trial(s Step) {
	name := strings.TrimPrefix(s.Cell.BenchName(), strings.ToUpper(s.Cell.Experiment)+"/")
	p.phase(fmt.Sprintf("repeat %d of %d: %s", s.Repeat+1, s.Block.Repeats, name))
}

// done counts a trial that is over, with the time of all its attempts; 0: it was not made.
func (p *Progress) done(s Step, took time.Duration) {
	p.at++
	p.est.trial(s, took)
}

// remark writes a line that stays.
func (p *Progress) remark(format string, args ...any) {
	p.end()
	if !p.quiet {
		fmt.Fprintln(p.w, p.renamed(fmt.Sprintf(format, args...)))
	}
}

func (p *Progress) renamed(text string) string {
	if p.Rename == nil {
		return text
	}
	return p.Rename(text)
}

// end clears the live line.
func (p *Progress) end() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.live = false
	}
}

// phase shows what begins.
func (p *Progress) phase(what string) {
	now := p.now()
	if p.width == 0 && now.Sub(p.written) < p.every && !p.written.IsZero() {
		return
	}
	p.written = now
	line := fmt.Sprintf("[%d/%d] %s, %s left: %s", min(p.at+1, p.trials), p.trials,
		round(now.Sub(p.started)), round(p.est.remaining()), p.renamed(what))
	if p.width == 0 {
		fmt.Fprintln(p.w, line)
		return
	}
	if r := []rune(line); len(r) >= p.width {
		line = string(r[:p.width-1])
	}
	fmt.Fprint(p.w, "\r\x1b[K"+line)
	p.live = true
}

func round(d time.Duration) string { return d.Round(time.Second).String() }

// Assumed until one has ended: the time of a trial beside its budget, and of a set-up.
const (
	guessTrial = 150 * time.Millisecond
	guessSetup = 15 * time.Second
)

// An estimate extrapolates how long the rest of a plan will take from what has ended.
type estimate struct {
	kinds  map[string]*kind
	setups kind
}

// kind is one kind of work: the trials of one workload, or the set-ups.
type kind struct {
	remaining int
	count     int
	took      time.Duration // by those that ended
	guess     time.Duration // for one, until one has ended
}

func newEstimate(p *Plan) estimate {
	e := estimate{kinds: map[string]*kind{}, setups: kind{remaining: len(p.Groups), guess: guessSetup}}
	for i := range p.Groups {
		for _, b := range p.Groups[i].Blocks {
			k := e.kind(b.Workload)
			k.remaining += b.Repeats * len(b.Cells)
			k.guess = max(k.guess, b.Warm+b.Measure+guessTrial)
		}
	}
	return e
}

func (e *estimate) kind(name string) *kind {
	if e.kinds[name] == nil {
		e.kinds[name] = &kind{}
	}
	return e.kinds[name]
}

// trial counts a trial; one that took no time was skipped and is left out of the mean.
func (e *estimate) trial(s Step, took time.Duration) {
	k := e.kind(s.Cell.Workload)
	if took < time.Millisecond {
		k.remaining--
		return
	}
	k.add(took)
}

func (k *kind) add(took time.Duration) {
	k.remaining--
	k.count++
	k.took += took
}

func (k *kind) rest() time.Duration {
	one := k.guess
	if k.count > 0 {
		one = k.took / time.Duration(k.count)
	}
	return time.Duration(max(0, k.remaining)) * one
}

func (e *estimate) remaining() time.Duration {
	d := e.setups.rest()
	for _, k := range e.kinds {
		d += k.rest()
	}
	return d
}

// Guess is how long the plan will take, estimated from its budgets.
func (p *Plan) Guess() time.Duration {
	e := newEstimate(p)
	return e.remaining().Round(time.Second)
}
