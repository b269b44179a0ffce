// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"slices"
	"strings"
)

// alike is the last of the runs that was asked for the cells that r was: a cell that was not asked for has not vanished.
func alike(runs []placed, r placed) (placed, bool) {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].Asked == r.Asked {
			return runs[i], true
		}
	}
	return placed{}, false
}

// lacks are the series of b that a does not have.
func lacks(a, b Run) (out []Series) {
	for s := range b.Values {
		if _, there := a.Values[s]; !there {
			out = append(out, s)
		}
	}
	return out
}

// renamed finds, for the cells of series that are gone, the one new cell that has all their figures.
func renamed(before, after Run, gone []Series) map[string]string {
	fresh := map[string][]string{} // by their figures
	for cell, f := range figures(after, lacks(before, after)) {
		fresh[f] = append(fresh[f], cell)
	}
	out := map[string]string{}
	for cell, f := range figures(before, gone) {
		if same := fresh[f]; len(same) == 1 {
			out[cell] = same[0]
		}
	}
	return out
}

// figures are all that a run has of each cell of the series, as text.
func figures(r Run, of []Series) map[string]string {
	all := map[string][]string{}
	for _, s := range of {
		all[s.Cell] = nil
	}
	for s, v := range r.Values {
		if _, asked := all[s.Cell]; asked {
			all[s.Cell] = append(all[s.Cell], fmt.Sprint(s.Unit, v))
		}
	}
	out := map[string]string{}
	for cell, f := range all {
		slices.Sort(f)
		out[cell] = strings.Join(f, " ")
	}
	return out
}
