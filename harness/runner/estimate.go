// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"time"

	"github.com/kxlab/kxlab/harness"
)

// First guesses: the time of a trial beyond its budget, of a set-up, of a member's part in it with its gate, and of a guest's start.
const (
	guessTrial = 150 * time.Millisecond
	guessSetup = 5 * time.Second
	guessGate  = 700 * time.Millisecond
	guessGuest = time.Second // from a snapshot, to its first step
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

// add adds a plan.
func (e *estimate) add(p *Plan) {
	var loading time.Duration
	if p.Target == harness.TargetExact {
		loading = p.Experiment.Loading
	}
	e.setups.remaining += len(p.Groups)
	for i := range p.Groups {
		gates := time.Duration(len(p.Groups[i].Members)) * (guessGate + loading)
		e.setups.guess = max(e.setups.guess, guessSetup+gates)
		for _, b := range p.Groups[i].Blocks {
			e.expect(b.Repeats*len(b.Cells), b, loading)
		}
	}
}

// addPieces adds some of a plan's jobs, each with a guest of its own, instead of the plan.
func (e *estimate) addPieces(p *Plan, pieces []*piece) {
	for _, s := range pieces {
		setup := s.task(p).Guess
		for _, st := range s.steps {
			setup -= st.Block.Warm + st.Block.Measure + guessTrial
			e.expect(1, *st.Block, 0)
		}
		e.setups.remaining++
		e.setups.guess = max(e.setups.guess, setup)
	}
}

// expect adds trials of a block.
func (e *estimate) expect(n int, b Block, loading time.Duration) {
	k := e.kind(b.Workload)
	k.remaining += n
	k.guess = max(k.guess, b.Warm+b.Measure+guessTrial+loading)
}

func (e *estimate) kind(name string) *kind {
	if e.kinds == nil {
		e.kinds = map[string]*kind{}
	}
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

// one is the time of one.
func (k *kind) one() time.Duration {
	if k.count > 0 {
		return k.took / time.Duration(k.count)
	}
	return k.guess
}

func (k *kind) rest() time.Duration { return time.Duration(max(0, k.remaining)) * k.one() }

func (e *estimate) remaining() time.Duration {
	d := e.setups.rest()
	for _, k := range e.kinds {
		d += k.rest()
	}
	return d
}

// left is the remaining time for people, if nothing has ended for so long. Work that takes longer than any that is left was thought to, such as a
// guest that hangs, is taken to last as long again, or longer.
func (e *estimate) left(since time.Duration) string {
	longest := time.Duration(0)
	if e.setups.remaining > 0 {
		longest = e.setups.one()
	}
	for _, k := range e.kinds {
		if k.remaining > 0 {
			longest = max(longest, k.one())
		}
	}
	if longest == 0 || since <= longest+time.Second {
		return round(e.remaining())
	}
	return round(e.remaining()-longest+since) + " or more"
}

// Guess is how long the plan will take, estimated from its budgets.
func (p *Plan) Guess() time.Duration {
	var e estimate
	e.add(p)
	return e.remaining().Round(time.Second)
}
