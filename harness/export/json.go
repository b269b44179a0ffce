// SPDX-License-Identifier: Apache-2.0

package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// names are those that a file has used.
type names map[string]bool

func newNames() names { return names{} }

func (n names) add(name string) error {
	if n[name] {
		return fmt.Errorf("export: %s %w, and this format tells no two runs apart: export them one by one", name, ErrTwice)
	}
	n[name] = true
	return nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeSmaller(w io.Writer, runs []Run, _ Options) error { return writeAction(w, runs, -1) }
func writeBigger(w io.Writer, runs []Run, _ Options) error  { return writeAction(w, runs, 1) }

// writeAction writes the input of github-action-benchmark's tools customSmallerIsBetter and customBiggerIsBetter: the medians of the units
// of which lower or higher values are better (github.com/benchmark-action/github-action-benchmark, examples).
func writeAction(w io.Writer, runs []Run, way int) error {
	type entry struct {
		Name  string  `json:"name"`
		Unit  string  `json:"unit"`
		Value float64 `json:"value"`
		Range string  `json:"range,omitempty"`
		Extra string  `json:"extra"`
	}
	var out []entry
	used := newNames()
	for _, r := range runs {
		rows, err := r.rows()
		if err != nil {
			return err
		}
		for _, s := range rows {
			if r.Better[s.Unit] != way {
				continue
			}
			e := entry{Name: s.Series.Cell + " " + s.Unit, Unit: s.Unit, Value: s.median(), Extra: fmt.Sprintf("%s, kernel %s, %s", r.Setting, r.Kernel, harness.Plural(len(s.values), "trial"))}
			if err := used.add(e.Name); err != nil {
				return err
			}
			if lo, hi := slices.Min(s.values), slices.Max(s.values); lo < hi {
				e.Range = number(lo) + " to " + number(hi)
			}
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return fmt.Errorf("export: no unit of which %s values are better was measured: take the other of the two formats", map[int]string{-1: "lower", 1: "higher"}[way])
	}
	return writeJSON(w, out)
}

// Lengths that Bencher allows of the names of benchmarks and of measures.
const (
	mostBenchmark = 1024
	mostMeasure   = 64
)

// writeBencher writes the Bencher Metric Format (bencher.dev/docs/reference/bencher-metric-format): the median of each cell and unit, with
// the smallest and the largest trial as its bounds.
func writeBencher(w io.Writer, runs []Run, _ Options) error {
	type metric struct {
		Value float64  `json:"value"`
		Lower *float64 `json:"lower_value,omitempty"`
		Upper *float64 `json:"upper_value,omitempty"`
	}
	out := map[string]map[string]metric{}
	used := newNames()
	for _, r := range runs {
		rows, err := r.rows()
		if err != nil {
			return err
		}
		for _, s := range rows {
			name := s.Series.Cell
			if len(name) > mostBenchmark || len(s.Unit) > mostMeasure {
				return fmt.Errorf("export: %s %s: Bencher takes %d characters of a cell's name and %d of a unit's", name, s.Unit, mostBenchmark, mostMeasure)
			}
			if err := used.add(name + " " + s.Unit); err != nil {
				return err
			}
			m := metric{Value: s.median()}
			if len(s.values) > 1 {
				lo, hi := slices.Min(s.values), slices.Max(s.values)
				m.Lower, m.Upper = &lo, &hi
			}
			if out[name] == nil {
				out[name] = map[string]metric{}
			}
			out[name][s.Unit] = m
		}
	}
	if len(out) == 0 {
		return errors.New("export: nothing was measured, and this format has a place for numbers only")
	}
	return writeJSON(w, out)
}
