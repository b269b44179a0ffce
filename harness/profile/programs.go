// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A Program is a function of a BPF program, without the functions and helpers that are called by it.
type Program struct {
	Name  string  `json:"name"`
	Calls float64 `json:"calls"` // of one unit of work
	Each  float64 `json:"each"`  // instructions of a call, mean of the whole window
}

// newPrograms returns the programs' functions that were called in a window, by their names: from the window's counts, laps with rare work
// among them, and from each function's instructions in a unit of work. A function that several programs have counts once.
func newPrograms(w Window, values map[string]float64, s *Space) (out []Program) {
	if len(w.Entered) == 0 {
		return nil
	}
	counts := w.Whole()
	for _, p := range s.programs {
		calls := w.Entered[p.Start]
		if calls == 0 {
			continue
		}
		var n uint64
		for a, k := range counts {
			if a >= p.Start && a < p.Start+p.Size {
				n += k
			}
		}
		one := Program{p.Name, float64(calls), float64(n)}
		if i := slices.IndexFunc(out, func(o Program) bool { return o.Name == p.Name }); i >= 0 { // in several programs
			one.Calls, one.Each = one.Calls+out[i].Calls, one.Each+out[i].Each
			out = slices.Delete(out, i, i+1)
		}
		out = append(out, one)
	}
	for i, p := range out {
		each := p.Each / p.Calls
		out[i].Calls, out[i].Each = round(values[p.Name+bpfSuffix]/each), round(each)
	}
	slices.SortFunc(out, func(a, b Program) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// A ProgramChange is a function of a program in two tables.
type ProgramChange struct {
	Name string
	A, B Program // zero: it was not called
}

// ComparePrograms returns the functions of the named programs that either table has, those that differ most in the instructions of a call first.
// A function that only one table has is another's under a new name if there is one of each.
func ComparePrograms(a, b Table, names func(string) bool) (out []ProgramChange) {
	for _, p := range a.Programs {
		if names(p.Name) {
			other, _ := harness.Find(b.Programs, func(o Program) bool { return o.Name == p.Name })
			out = append(out, ProgramChange{p.Name, p, other})
		}
	}
	for _, p := range b.Programs {
		if names(p.Name) && !slices.ContainsFunc(a.Programs, func(o Program) bool { return o.Name == p.Name }) {
			out = append(out, ProgramChange{Name: p.Name, B: p})
		}
	}
	var only [2][]int
	for i, c := range out {
		switch {
		case c.B.Calls == 0:
			only[0] = append(only[0], i)
		case c.A.Calls == 0:
			only[1] = append(only[1], i)
		}
	}
	if len(only[0]) == 1 && len(only[1]) == 1 {
		x, y := only[0][0], only[1][0]
		out[x].Name, out[x].B = out[x].Name+" | "+out[y].Name, out[y].B
		out = slices.Delete(out, y, y+1)
	}
	slices.SortStableFunc(out, func(x, y ProgramChange) int {
		return cmp.Compare(max(y.B.Each-y.A.Each, y.A.Each-y.B.Each), max(x.B.Each-x.A.Each, x.A.Each-x.B.Each))
	})
	return out
}

// Rename returns the table with a function of a BPF program under another name.
func (t Table) Rename(from, to string) Table {
	t.Functions, t.Programs = slices.Clone(t.Functions), slices.Clone(t.Programs)
	for i := range t.Functions {
		if t.Functions[i].Name == from+bpfSuffix {
			t.Functions[i].Name = to + bpfSuffix
		}
	}
	for i := range t.Programs {
		if t.Programs[i].Name == from {
			t.Programs[i].Name = to
		}
	}
	return t
}
