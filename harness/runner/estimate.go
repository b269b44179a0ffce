// SPDX-License-Identifier: Apache-2.0

package runner

import "time"

// What a trial costs beside its budget, and a set-up, until the first of its kind was seen.
const (
	guessTrial = 150 * time.Millisecond
	guessSetup = 15 * time.Second
)

// An estimate knows how long the rest of a plan will take, from what its parts took so far.
type estimate struct {
	kinds  map[string]*kind
	setups kind
}

// kind is things of one sort: trials of one workload, set-ups.
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

func (e *estimate) setup(took time.Duration) { e.setups.add(took) }

// trial counts a trial; one that took no time was skipped and says nothing of the others.
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

// Guess is how long the plan will take, before anything is known but its budgets.
func (p *Plan) Guess() time.Duration {
	e := newEstimate(p)
	return e.remaining().Round(time.Second)
}
