// SPDX-License-Identifier: Apache-2.0

package runner

import "time"

// What a trial takes beside its budget, and what a set-up takes, until one has ended.
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
