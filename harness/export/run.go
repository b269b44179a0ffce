// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// A Run is what a run measured, and at which commit.
type Run struct {
	history.Run
	Commit  history.Entry // without runs; its hash is empty if none is known, its time zero
	Arch    string        // as Go names it; empty if not known
	Missing []Missing
}

// Missing is a number that a run does not have.
type Missing struct {
	Cell, Unit string // Unit is empty if no unit of the cell has a number
	Repeat     int    // -1: none has
	Outcome    string // one of harness.Outcomes, rejected or beyond
	Reason     string
}

// Outcomes of what is missing, beside those of cells.
const (
	rejected = "rejected" // the trial was made and does not count
	beyond   = "beyond"   // the quantity lies beyond what the trial could measure
)

// Of takes what is exported of a complete run directory. The second of an A/A pair is left out.
func Of(r *record.Run, commit history.Entry) (Run, error) {
	run, err := history.RunOf(r)
	if err != nil && !errors.Is(err, history.ErrNothing) {
		return Run{}, err
	}
	out := Run{Run: run, Commit: commit, Arch: r.Env.GOARCH}
	for _, o := range r.Unmeasured() {
		out.Missing = append(out.Missing, Missing{o.Cell, "", -1, string(o.Outcome), o.Reason})
	}
	for _, t := range r.Env.Rejected {
		out.Missing = append(out.Missing, Missing{t.Cell, "", t.Repeat, rejected, t.Reason})
	}
	for _, t := range r.Trials {
		for _, m := range t.Result.Metrics {
			if m.Beyond {
				out.Missing = append(out.Missing, Missing{t.Cell.BenchName(), m.Unit, t.Repeat, beyond, "the trial could measure up to " + number(m.Value)})
			}
		}
	}
	out.Missing = slices.DeleteFunc(out.Missing, func(m Missing) bool {
		c, err := record.ParseCell(out.Experiment, m.Cell)
		return err == nil && strings.HasSuffix(c.Variant, harness.SuffixAA)
	})
	return out, nil
}

// Along takes what is exported of a line of a history: its runs, the oldest commit first.
func Along(l history.Line) (out []Run) {
	for _, e := range l.Entries {
		commit := e
		commit.Runs = nil
		for _, r := range e.Runs {
			out = append(out, Run{Run: r, Commit: commit})
		}
	}
	return out
}

// A row is one unit of one cell of a run, with a value at least.
type row struct {
	harness.Cell
	history.Series
	values  []float64
	repeats []int // of each value
}

func (r row) median() float64 { return stats.Median(r.values) }

// rows are those of a run, sorted by their names.
func (r Run) rows() ([]row, error) {
	var out []row
	for _, s := range slices.SortedFunc(maps.Keys(r.Values), func(x, y history.Series) int { return cmp.Or(cmp.Compare(x.Cell, y.Cell), cmp.Compare(x.Unit, y.Unit)) }) {
		c, err := record.ParseCell(r.Experiment, s.Cell)
		if err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
		w := row{Cell: c, Series: s}
		for repeat := range r.Values[s] {
			if v, ok := r.At(s, repeat); ok {
				w.values, w.repeats = append(w.values, v), append(w.repeats, repeat)
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// better is a unit's better way in words.
func (r Run) better(unit string) string {
	return map[int]string{1: "higher", -1: "lower"}[r.Better[unit]]
}

// Options are what a format may want beside the numbers.
type Options struct {
	Origin       string // the name of the CI system, for KCIDB; empty: kxlab
	WithoutTimes bool   // samples of OpenMetrics have no times
}

// ErrTwice says that a cell or a run is there twice.
var ErrTwice = errors.New("is there twice")

type format struct {
	name  string
	write func(io.Writer, []Run, Options) error
}

func formats() []format {
	return []format{
		{"benchfmt", writeBench}, {"csv", writeCSV}, {"openmetrics", writeOpenMetrics}, {"customSmallerIsBetter", writeSmaller}, {"customBiggerIsBetter", writeBigger},
		{"bencher", writeBencher}, {"kcidb", writeKCIDB},
	}
}

// Formats names the formats of Write.
func Formats() []string { return harness.Map(formats(), func(f format) string { return f.name }) }

// Write writes runs in a format. The same runs give the same bytes. Formats that name a value by its cell and unit alone take each
// once: two runs that have it are an error.
func Write(w io.Writer, name string, runs []Run, o Options) error {
	if err := harness.Known("format", name, Formats()); err != nil {
		return err
	}
	whole := newNames()
	for _, r := range runs {
		if err := whole.add(fmt.Sprintf("the run %s of %s (kernel %s, commit %s)", r.Setting, r.Recorded.UTC().Format(time.RFC3339), r.Kernel, cmp.Or(r.Commit.Commit, "-"))); err != nil {
			return err
		}
	}
	f, _ := harness.Find(formats(), func(f format) bool { return f.name == name })
	return f.write(w, runs, o)
}
