// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// Kept holds gates that earlier runs passed, for as long as all that decides them is the same: the lab, the kernel, the experiment's
// definition and the seed. A gate is named by its group and its variant.
type Kept interface {
	// Gate returns a gate that was passed, with the time.
	Gate(group, variant string) (g record.Gate, ok bool)
	// Keep notes that a gate was passed now. That it cannot is no error of the run.
	Keep(record.Gate)
}

// keptGates are gates that are not checked again, each by its gateName, sorted.
type keptGates []string

func gateName(group, variant string) string { return group + "/" + variant }

func (k keptGates) have(g *Group, variant string) bool {
	_, ok := slices.BinarySearch(k, gateName(g.String(), variant))
	return ok
}

// findKept finds the plan's gates that earlier runs passed, and records them. An exact guest that checks gates and then measures
// checks them each time: one that did not would give other digits.
func (r *engine) findKept() error {
	if r.KeptGates == nil || r.plan.Target == harness.TargetExact && r.Gates == 0 {
		return nil
	}
	for _, g := range r.plan.Groups {
		for _, m := range g.Members {
			gate, ok := r.KeptGates.Gate(g.String(), m.Name)
			if !ok || m.Class == harness.ClassBroken { // a gate that must fail is checked each time
				continue
			}
			name := gateName(g.String(), m.Name)
			r.passed[name], r.kept, r.Kept = true, append(r.kept, name), append(r.Kept, gate)
			if err := r.Record.Gate(gate); err != nil {
				return err
			}
		}
	}
	slices.Sort(r.kept)
	return nil
}

// keep keeps a gate that was passed in this run.
func (r *engine) keep(g record.Gate) {
	if r.KeptGates != nil && g.Passed {
		r.KeptGates.Keep(g)
	}
}

// Passed reports whether the guest's report is whole and nothing in it failed or was rejected.
func (g *Guest) Passed() bool {
	return g.end != nil && g.end.Error == "" && !g.faulty && len(g.rest) == 0
}

// faulty reports whether an event is about something that is wrong.
func (e event) faulty() bool {
	return e.Reject != nil || e.Outcome != nil && e.Outcome.Outcome == harness.OutcomeFailed || e.Gate != nil && !e.Gate.Passed
}
