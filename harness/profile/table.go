// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A Table is the instructions of one unit of work by function, in one cell.
type Table struct {
	Cell      string     `json:"cell"` // harness.Cell.BenchName
	Unit      string     `json:"unit"` // of the metric: "insn/pkt"
	Whole     float64    `json:"whole"`
	Functions []Function `json:"functions"` // the largest first; they sum to Whole
	// Programs are the functions of BPF programs that were called; without those of tables that were recorded before there were any.
	Programs []Program `json:"programs,omitempty"`
}

// A Function is a row of a Table.
type Function struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"` // instructions of one unit of work
}

// Table is what was sampled on the CPU as a table, with each sample at its innermost function. ok is false if the units of work are not known.
func (p Profile) Table() (t Table, ok bool) {
	factor, unit := p.Scale()
	t = Table{Cell: p.Cell, Unit: unit, Whole: factor * p.Total(), Functions: p.Self()}
	for i := range t.Functions {
		t.Functions[i].Value *= factor
	}
	return t, p.Kind == OnCPU && p.Work > 0 && p.Per != ""
}

// NewTable resolves what was counted in a window. Amounts below a thousandth of an instruction are summed up as rest.
func NewTable(cell string, w Window, is harness.CountedWindow, s *Space) Table {
	values, amounts := map[string]float64{}, map[uint64]float64{}
	switch {
	case is.Empty:
		amounts = w.without()
	case is.Laps:
		amounts = w.Lap()
	default:
		for a, n := range w.Whole() {
			amounts[a] = float64(n)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(amounts)) { // in one order, or the last digit of a sum would change
		values[s.Name(a)] += amounts[a] / is.Amount
	}
	t := Table{Cell: cell, Unit: is.Unit}
	var rest float64
	for name, v := range values {
		if math.Abs(v) < least {
			rest += v
			continue
		}
		t.Functions = append(t.Functions, Function{name, round(v)})
	}
	if math.Abs(rest) >= least {
		t.Functions = append(t.Functions, Function{"(rest)", round(rest)})
	}
	slices.SortFunc(t.Functions, func(a, b Function) int { return cmp.Or(cmp.Compare(b.Value, a.Value), strings.Compare(a.Name, b.Name)) })
	for _, f := range t.Functions {
		t.Whole += f.Value
	}
	t.Whole, t.Programs = round(t.Whole), newPrograms(w, values, s)
	return t
}

// least is the least value that a function has in a table, and the precision of values.
const least = 0.001

func round(v float64) float64 { return math.Round(v/least) * least }

// A Change is a function of two tables.
type Change struct {
	Name string
	A, B float64
}

// Difference is how much more B executes.
func (c Change) Difference() float64 { return c.B - c.A }

// Compare returns the functions whose values differ, the largest difference first.
func Compare(a, b Table) (out []Change) {
	at := map[string]int{}
	for _, f := range a.Functions {
		at[f.Name] = len(out)
		out = append(out, Change{Name: f.Name, A: f.Value})
	}
	for _, f := range b.Functions {
		i, ok := at[f.Name]
		if !ok {
			i = len(out)
			out = append(out, Change{Name: f.Name})
		}
		out[i].B = f.Value
	}
	out = joinRenamed(out)
	out = slices.DeleteFunc(out, func(c Change) bool { return math.Abs(c.Difference()) < least/2 })
	slices.SortStableFunc(out, func(x, y Change) int {
		return cmp.Or(cmp.Compare(math.Abs(y.Difference()), math.Abs(x.Difference())), strings.Compare(x.Name, y.Name))
	})
	return out
}

// joinRenamed makes one row of a BPF function that only A has and one that only B has, if there is one of each: the program under test
// under two names.
func joinRenamed(all []Change) []Change {
	var only [2][]int
	for i, c := range all {
		switch {
		case !strings.HasSuffix(c.Name, bpfSuffix):
		case c.B == 0:
			only[0] = append(only[0], i)
		case c.A == 0:
			only[1] = append(only[1], i)
		}
	}
	if len(only[0]) != 1 || len(only[1]) != 1 {
		return all
	}
	a, b := &all[only[0][0]], all[only[1][0]]
	a.Name, a.B = strings.TrimSuffix(a.Name, bpfSuffix)+" | "+b.Name, b.B
	return slices.Delete(all, only[1][0], only[1][0]+1)
}

// Of is the value of a function; 0 if the table has none of that name.
func (t Table) Of(name string) float64 {
	f, _ := harness.Find(t.Functions, func(f Function) bool { return f.Name == name })
	return f.Value
}

// TakenOff sums up the functions below zero but those that has names: what a lap without the program executes, of which more was taken
// off than a lap with it has.
func (t Table) TakenOff(has func(name string) bool) (sum float64) {
	for _, f := range t.Functions {
		if f.Value < 0 && !has(f.Name) {
			sum += f.Value
		}
	}
	return sum
}

// Leading are the functions of several tables that say most: those that differ most from the first, or, of one table, the largest.
func Leading(tables []Table, n int) (out []string) {
	weight := map[string]float64{}
	for _, t := range tables {
		for _, f := range t.Functions {
			weight[f.Name] = 0
		}
	}
	for name := range weight {
		first := tables[0].Of(name)
		if len(tables) == 1 {
			weight[name] = first
		}
		for _, t := range tables[1:] {
			weight[name] = max(weight[name], math.Abs(t.Of(name)-first))
		}
		if weight[name] >= least {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(weight[b], weight[a]), strings.Compare(a, b)) })
	return out[:min(n, len(out))]
}
