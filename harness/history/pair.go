// SPDX-License-Identifier: Apache-2.0

package history

import (
	"math"
	"strings"
)

// A verdict is what the move between two runs of an exact series says.
type verdict int

const (
	still   verdict = iota
	stepped         // all repeats moved alike
	torn            // the repeats moved apart, which decides nothing
)

// pairs are the pairs of runs between which an exact series has a step, by their indices. A run is held against the last before it in the same
// environment, or else against the one before. Where repeats moved apart, the next run is held against the last before them, too: a
// commit with one odd repeat hides no step.
func pairs(s Series, runs []placed, judge func(move) verdict) (out [][2]int) {
	gone := make([]float64, len(runs)) // how far commits moved each run, a logarithm of the share, beside the environment
	base := -1                         // the last run before repeats moved apart; -1: they did not
	for k := 1; k < len(runs); k++ {
		j := lastAlike(runs[:k], runs[k].Run)
		m := moved(s, runs[k-1].Run, runs[k].Run)
		at := k - 1
		if j >= 0 && j < k-1 {
			at = j
			m = moved(s, runs[j].Run, runs[k].Run)
			between := 0.0
			for _, g := range gone[j+1 : k] {
				between += g
			}
			m.mid = since(s, m.mid, between)
		}
		if j >= 0 {
			gone[k] = distance(s, m.mid)
		}
		v := judge(m)
		if v == stepped {
			out = append(out, [2]int{at, k})
		}
		if base >= 0 {
			w := still
			if environment(runs[base].Run, runs[k].Run) == nil {
				w = judge(moved(s, runs[base].Run, runs[k].Run))
			}
			if v != stepped && w == stepped {
				out = append(out, [2]int{base, k})
			}
			if v != torn || w != torn {
				base = -1
			}
		} else if v == torn {
			base = at
		}
	}
	return out
}

// lastAlike is the last of the runs in the environment of r; -1 if there is none.
func lastAlike(runs []placed, r Run) int {
	for i := len(runs) - 1; i >= 0; i-- {
		if environment(runs[i].Run, r) == nil {
			return i
		}
	}
	return -1
}

// distance makes effects one can add up; since takes what is between off an effect.
func distance(s Series, effect float64) float64 {
	if strings.HasSuffix(s.Unit, "share") {
		return effect
	}
	return math.Log1p(max(effect, -0.999))
}

func since(s Series, effect, between float64) float64 {
	if between == 0 {
		return effect
	}
	if strings.HasSuffix(s.Unit, "share") {
		return effect - between
	}
	return math.Expm1(distance(s, effect) - between)
}

// leastMoves is how many moves in one direction are a drift: of repeats without a tendency, five in a row are rare, and small.
const leastMoves = 5

// drifts are the stretches of an exact series, by their first run and their last, in which each move is below the least effect and none goes against
// the others. moves has that of each run from the one before.
func drifts(runs []placed, moves []move, least float64) (out [][2]int) {
	first, last, count, way := 0, 0, 0, 0.0
	end := func(next int) {
		if count >= leastMoves {
			out = append(out, [2]int{first, last})
		}
		first, count, way = next, 0, 0
	}
	for i, m := range moves {
		k := i + 1 // the move is from run i to run k
		if math.Abs(m.mid) >= least || environment(runs[i].Run, runs[k].Run) != nil {
			end(k)
			continue
		}
		if m.mid == 0 {
			if count == 0 {
				first = k
			}
			continue
		}
		if m.mid*way < 0 {
			end(i)
		}
		way, count, last = m.mid, count+1, k
	}
	end(0)
	return out
}
