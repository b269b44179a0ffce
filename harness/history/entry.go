// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// An Entry is what was measured at a commit.
type Entry struct {
	Commit    string    // its whole hash, in hexadecimal
	Parents   []string  // the same of its parents, as far as they were told
	Committed time.Time // zero if not told
	Subject   string
	Runs      []Run
	summed    bool // its file ends with its sum
}

// A Run is one run at a commit. Two runs of one commit differ in their Setting.
type Run struct {
	Setting
	Kernel, QEMU string
	Asked        string // the options by which it chose its cells; empty: all of the profile, or not known
	Lab          string // the commit of the lab that measured it
	Recorded     time.Time
	Better       map[string]int       // of a unit: 1 if higher values are better, -1 if lower ones are
	Values       map[Series][]float64 // by repeat; NaN where a repeat has none
}

// A Setting is what has to be alike for values to be held against one another at all.
type Setting struct {
	Experiment, Target, CPU, Profile string
	Seed                             uint64
}

func (s Setting) String() string {
	return fmt.Sprintf("%s on %s (%s, profile %s, seed %d)", s.Experiment, s.Target, s.CPU, cmp.Or(s.Profile, "-"), s.Seed)
}

// A Series names values of one unit of one cell.
type Series struct{ Cell, Unit string }

// ErrNothing says that a run measured nothing.
var ErrNothing = errors.New("the run measured nothing")

// RunOf takes what a history keeps from a run. Bounds, such as quantiles beyond a histogram, are no values and stay out, and so does the
// second of an A/A pair. Its error wraps ErrNothing if no value is left; the run has all the rest then.
func RunOf(r *record.Run) (Run, error) {
	if !r.Env.Complete {
		return Run{}, fmt.Errorf("the run is %s: only complete runs go into a history or an export: run it again", r.State())
	}
	e := &r.Env
	out := Run{Setting: Setting{e.Experiment, e.Target, e.CPU, e.Profile, e.Seed}, Kernel: e.Kernel, QEMU: e.QEMU, Asked: asked(e.Command),
		Lab: e.Commit, Recorded: e.Started.UTC().Round(time.Second), Better: map[string]int{}, Values: map[Series][]float64{}}
	for _, t := range r.Trials {
		if strings.HasSuffix(t.Cell.Variant, harness.SuffixAA) {
			continue
		}
		for _, m := range t.Result.Metrics {
			if m.Beyond {
				continue
			}
			if way := e.Better(t.Cell.Workload, m.Unit); way != 0 {
				out.Better[m.Unit] = way
			}
			out.put(Series{t.Cell.BenchName(), m.Unit}, t.Repeat, m.Value)
		}
	}
	if len(out.Values) == 0 {
		return out, ErrNothing
	}
	return out, nil
}

// asked is the part of a command line that chooses cells.
func asked(command []string) string {
	var out []string
	for i, word := range command {
		name, _, whole := strings.Cut(word, "=")
		if !slices.Contains([]string{"--workload", "--variants", "--axis"}, name) {
			continue
		}
		out = append(out, word)
		if !whole && i+1 < len(command) {
			out = append(out, command[i+1])
		}
	}
	return inLine(strings.Join(out, " "))
}

// mostSubject bounds the subject in a file, in bytes: readers take no line of any length.
const mostSubject = 1 << 10

// keys are the file keys of an entry and of a run, in their order.
func (e Entry) keys() [][2]string {
	var out [][2]string
	if e.Commit != "" { // of a file of a history it is there
		out = append(out, [2]string{"commit", e.Commit})
	}
	if len(e.Parents) > 0 {
		out = append(out, [2]string{"parents", strings.Join(e.Parents, " ")})
	}
	if !e.Committed.IsZero() {
		out = append(out, [2]string{"committed", e.Committed.UTC().Format(time.RFC3339)})
	}
	if e.Subject != "" {
		out = append(out, [2]string{"subject", e.Subject[:min(mostSubject, len(e.Subject))]})
	}
	return out
}

func (r Run) keys() [][2]string {
	return [][2]string{{"experiment", r.Experiment}, {"target", r.Target}, {"cpu", r.CPU}, {"profile", r.Profile}, {"seed", strconv.FormatUint(r.Seed, 10)},
		{"kernel", r.Kernel}, {"qemu", r.QEMU}, {"asked", r.Asked}, {"lab", r.Lab}, {"recorded", r.Recorded.Format(time.RFC3339)}}
}

// Write writes the entry's file. The same entry gives the same bytes.
func (e Entry) Write(w io.Writer) error {
	var b bytes.Buffer
	for _, kv := range e.keys() {
		fmt.Fprintf(&b, "%s: %s\n", kv[0], inLine(kv[1]))
	}
	runs := slices.SortedFunc(slices.Values(e.Runs), func(x, y Run) int { return cmp.Compare(x.Setting.String(), y.Setting.String()) })
	for _, r := range runs {
		b.WriteByte('\n')
		for _, kv := range r.keys() {
			fmt.Fprintf(&b, "%s: %s\n", kv[0], inLine(kv[1]))
		}
		for _, unit := range slices.Sorted(maps.Keys(r.Better)) {
			fmt.Fprintf(&b, "Unit %s better=%s\n", unit, map[int]string{1: "higher", -1: "lower"}[r.Better[unit]])
		}
		if err := r.writeTrials(&b); err != nil {
			return err
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeTrials writes a line for each repeat of each cell, repeat by repeat.
func (r Run) writeTrials(b *bytes.Buffer) error {
	all := slices.SortedFunc(maps.Keys(r.Values), func(x, y Series) int { return cmp.Or(cmp.Compare(x.Cell, y.Cell), cmp.Compare(x.Unit, y.Unit)) })
	cells := harness.GroupBy(all, func(s Series) string { return s.Cell })
	bw := benchfmt.NewWriter(b)
	for repeat := range r.repeats() {
		fmt.Fprintf(b, "repeat: %d\n", repeat)
		for _, same := range cells {
			res := benchfmt.Result{Name: benchfmt.Name(same[0].Cell), Iters: 1}
			for _, s := range same {
				if v, ok := r.At(s, repeat); ok {
					res.Values = append(res.Values, benchfmt.Value{Value: v, Unit: s.Unit})
				}
			}
			if len(res.Values) == 0 {
				continue
			}
			if err := bw.Write(&res); err != nil {
				return fmt.Errorf("write trial of %s: %w", same[0].Cell, err)
			}
		}
	}
	return nil
}

// repeats is how many repeats the run has.
func (r Run) repeats() int {
	n := 0
	for _, v := range r.Values {
		n = max(n, len(v))
	}
	return n
}

// At is the value of a series in a repeat; false if there is none.
func (r Run) At(s Series, repeat int) (float64, bool) {
	v := r.Values[s]
	if repeat >= len(v) || v[repeat] != v[repeat] {
		return 0, false
	}
	return v[repeat], true
}

// inLine is text without what would end a line of a file key.
func inLine(text string) string { return strings.Join(strings.Fields(text), " ") }
