// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// Intervals between lines where there is no terminal.
const (
	plainEvery = 5 * time.Second
	quietEvery = time.Minute
)

// Progress shows the progress of a run, or of several at a time (And): as one line that is rewritten on a terminal, as plain lines at
// intervals elsewhere.
type Progress struct {
	*board
	// Rename, if not nil, changes each text before it is shown.
	Rename func(text string) string
}

// A board is what all runs of a Progress share.
type board struct {
	w     io.Writer
	width int // of the terminal, columns; 0: no terminal
	now   func() time.Time
	every time.Duration // between plain lines
	quiet bool          // no lines that stay

	mu      sync.Mutex
	est     estimate
	trials  int // in the plans
	at      int // trials over
	started time.Time
	moved   time.Time // when the last set-up or trial ended
	written time.Time // when the last line was written
	what    string    // is under way
	live    bool      // the cursor stands behind a live line
	answer  string    // stands above the live line
}

// NewProgress returns a Progress that writes to w, on a live line of that many columns, or in plain lines if 0.
func NewProgress(w io.Writer, columns int) *Progress {
	return &Progress{board: &board{w: w, width: columns, now: time.Now, every: plainEvery}}
}

// NewQuietProgress is a NewProgress without lines that stay, and with a plain line a minute, the first after one.
func NewQuietProgress(w io.Writer, columns int) *Progress {
	p := NewProgress(w, columns)
	p.every, p.quiet = quietEvery, true
	return p
}

// And is for another run at the same time: its trials add to the first one's.
func (p *Progress) And() *Progress { return &Progress{board: p.board} }

// begin shows what is run: a plan, or of one the pieces if they are not nil.
func (p *Progress) begin(plan *Plan, pieces []*piece) {
	p.mu.Lock()
	defer p.mu.Unlock()
	trials := plan.Trials()
	head := fmt.Sprintf("%s, %s, about %s", harness.Plural(plan.Cells(), "cell"), harness.Plural(trials, "trial"), round(plan.Guess()))
	if pieces == nil {
		p.est.add(plan)
	} else {
		var e estimate
		e.addPieces(plan, pieces)
		trials = 0
		for _, s := range pieces {
			trials += len(s.steps)
		}
		head = fmt.Sprintf("%s, %s, about %s", harness.Plural(len(pieces), "guest"), harness.Plural(trials, "trial"), round(e.remaining()))
		p.est.addPieces(plan, pieces)
	}
	if p.trials += trials; p.started.IsZero() {
		p.started = p.now()
		p.moved = p.started
		if p.quiet {
			p.written = p.started
		}
	}
	p.say("%s", head)
}

// setup counts a group that was set up and checked.
func (p *Progress) setup(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.est.setups.add(took)
	p.moved = p.now()
}

// trial shows that a trial begins.
func (p *Progress) trial(s Step) {
	name := strings.TrimPrefix(s.Cell.BenchName(), strings.ToUpper(s.Cell.Experiment)+"/")
	p.phase(fmt.Sprintf("repeat %d of %d: %s", s.Repeat+1, s.Block.Repeats, name))
}

// done counts a trial that is over, with the time of all its attempts; 0: it was not made.
func (p *Progress) done(s Step, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at++
	p.est.trial(s, took)
	p.moved = p.now()
}

// remark writes a line that stays.
func (p *Progress) remark(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say(format, args...)
}

func (p *Progress) say(format string, args ...any) {
	p.wipe()
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

// Live reports whether there is a line that is rewritten.
func (p *Progress) Live() bool { return p.width > 0 }

// Answer shows a preliminary answer: above the live line, until the next or the end of the run, or as a line that stays.
func (p *Progress) Answer(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	if p.width == 0 && !p.quiet {
		fmt.Fprintln(p.w, text)
	}
	p.answer = text
}

// end clears the live line.
func (p *Progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

// wipe clears the live line and the answer above it.
func (p *Progress) wipe() {
	if !p.live {
		return
	}
	p.live = false
	fmt.Fprint(p.w, "\r\x1b[K")
	if n := p.rows(); n > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", n)
	}
}

// rows is how many rows of the terminal the answer takes.
func (p *Progress) rows() int { return (len([]rune(p.answer)) + p.width - 1) / p.width }

// phase shows what begins.
func (p *Progress) phase(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = p.renamed(strings.TrimPrefix(what, ": ")) // of a group without a name
	p.show()
}

// How often what is under way is shown again: on a terminal, and in plain lines.
const (
	tickEvery  = time.Second
	againEvery = 30 * time.Second
)

// tick shows again and again what is under way, until stop is called.
func (p *Progress) tick() (stop func()) {
	t, done := time.NewTicker(tickEvery), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-t.C:
				p.again()
			}
		}
	}()
	return func() { t.Stop(); close(done) }
}

func (p *Progress) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.what != "" && (p.width > 0 || p.now().Sub(p.written) >= max(againEvery, p.every)) {
		p.show()
	}
}

// show writes the line of what is under way, unless the last plain line is too new.
func (p *Progress) show() {
	now := p.now()
	if p.width == 0 && now.Sub(p.written) < p.every && !p.written.IsZero() {
		return
	}
	p.written = now
	line := fmt.Sprintf("[%d/%d] %s, %s left: %s", min(p.at+1, p.trials), p.trials, round(now.Sub(p.started)), p.est.left(now.Sub(p.moved)), p.what)
	if p.width == 0 {
		fmt.Fprintln(p.w, line)
		return
	}
	if r := []rune(line); len(r) >= p.width {
		line = string(r[:p.width-1])
	}
	if !p.live && p.answer != "" {
		fmt.Fprintln(p.w, p.answer)
	}
	fmt.Fprint(p.w, "\r\x1b[K"+line)
	p.live = true
}

func round(d time.Duration) string { return d.Round(time.Second).String() }
