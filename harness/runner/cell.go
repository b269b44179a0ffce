// SPDX-License-Identifier: Apache-2.0

package runner

import "github.com/kxlab/kxlab/harness"

// cellState is what is known of a cell so far.
type cellState struct {
	name    string
	skipped bool
	valid   int
	given   bool // was given up once: no more than one attempt a repeat from now on
}

// cellStates are those of a run, by the cells' names.
type cellStates map[string]*cellState

func (s cellStates) of(c harness.Cell) *cellState {
	name := c.BenchName()
	if s[name] == nil {
		s[name] = &cellState{name: name}
	}
	return s[name]
}

// holes finds the cells of the plan that were tried and have no number.
func (s cellStates) holes(p *Plan) []string {
	var out []string
	for _, g := range p.Groups {
		for _, b := range g.Blocks {
			for _, c := range b.Cells {
				if st := s[c.BenchName()]; st != nil && st.given && st.valid == 0 {
					out = append(out, st.name)
				}
			}
		}
	}
	return out
}

// possible counts the trials of the plan's cells that were not skipped.
func (s cellStates) possible(p *Plan) (trials int) {
	for _, g := range p.Groups {
		for _, b := range g.Blocks {
			for _, c := range b.Cells {
				if st := s[c.BenchName()]; st == nil || !st.skipped {
					trials += b.Repeats
				}
			}
		}
	}
	return trials
}
