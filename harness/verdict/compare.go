// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// errIncomparable says that two runs cannot be compared: another target, kernel, CPU or experiment.
var errIncomparable = errors.New("runs cannot be compared")

// CompareOptions says what counts as a difference. The zero value takes the defaults.
type CompareOptions struct {
	MinEffect float64 // relative, 0.03 is 3 %; 0: DefaultMinEffect, on target exact DefaultMinEffectExact
	Alpha     float64 // rate of false findings; 0: 0.05
	// Kernels allows two runs on different kernels.
	Kernels bool
	// Workloads are those to compare; none: all. The p values are adjusted for the rows that are compared, so that fewer
	// workloads show smaller differences.
	Workloads []string
	// AllowMissing lets Gate pass although the old run measured what the new one did not.
	AllowMissing bool
}

// DefaultMinEffect is CompareOptions.MinEffect on targets host and vm.
const DefaultMinEffect = 0.03

// The verdicts on a row.
const (
	Better  = "better"
	Worse   = "worse"
	Differs = "differs" // a difference is shown, and neither way is better
	same    = "~"       // no difference shown
	TooFew  = "too few" // too few repeats to show any difference
	// On target exact, where runs are paired by seed:
	OneTrial = "one trial"      // one seed has no variance
	NoSeed   = "no common seed" // there is no pair
	NotKnown = "not known"      // a value lies beyond what the trial could measure
)

// A Row compares one cell in one unit.
type Row struct {
	Cell    harness.Cell  `json:"-"`
	Name    string        `json:"cell"`
	Unit    string        `json:"unit"`
	Compare string        `json:"compare"` // harness.CompareRatio or CompareDifference: what Delta and Floor are; CompareWord: there are none
	Old     stats.Summary `json:"old"`
	New     stats.Summary `json:"new"`
	Delta   float64       `json:"delta"`            // relative with the drift taken off, or the difference in the unit
	P       *float64      `json:"p"`                // adjusted for the number of rows, the larger of the two tests; null: not tested
	RankP   float64       `json:"rank_p,omitempty"` // of the Mann-Whitney test; 0 on target exact
	Floor   float64       `json:"floor"`            // least difference in force, in the terms of Delta
	// Findable is the least difference that the spread of the seeds could have shown in this row, at least Floor, uncorrected, in
	// the terms of Delta. Target exact only; 0 elsewhere, and where nothing was tested.
	Findable float64 `json:"findable,omitempty"`
	OldFate  string  `json:"old_fate,omitempty"` // of CompareWord: the harness.Fate of each run
	NewFate  string  `json:"new_fate,omitempty"`
	Verdict  string  `json:"verdict"`
	Note     string  `json:"note,omitempty"`

	group  group
	d      float64 // log of new/old with the drift taken off, or the difference; not on target exact
	se, df float64 // standard error of d, or of the mean of the pairs, and on target exact its degrees of freedom
	same   bool    // a control: the program is the same in both runs
	beyond bool
	// values of the two runs, and on target exact the pairs by seed: logarithms of new/old, or differences
	old, new *record.Sample
	pairs    []float64
}

// A group names the rows that share a drift and a noise: paced trials are apart from saturated ones.
type group struct{ workload, unit, rate string }

// difference reports whether the row compares by difference.
func (r *Row) difference() bool { return r.Compare == harness.CompareDifference }

// reaches reports whether the row's delta reaches the least difference in force. Ratios are compared by their logarithm, so
// that 3 % faster and 3 % slower are equally far from 1.
func (r *Row) reaches() bool {
	if r.difference() {
		return r.Delta != 0 && math.Abs(r.Delta) >= r.Floor
	}
	return math.Abs(math.Log1p(math.Max(r.Delta, -1+1e-9))) >= math.Log1p(r.Floor)
}

// remark adds to the row's note.
func (r *Row) remark(text string) {
	if r.Note != "" {
		r.Note += "; "
	}
	r.Note += text
}

// A Drift is how much faster or slower the machine was in the new run, measured by the ceilings.
type Drift struct {
	Workload string  `json:"workload"`
	Unit     string  `json:"unit"`
	Rate     string  `json:"rate,omitempty"` // paced trials drift apart from saturated ones
	Factor   float64 `json:"factor"`         // new over old; 1 where it is not known
	Cells    int     `json:"cells"`          // ceilings it was taken from; 0: none, not corrected
	Tau      float64 `json:"tau"`            // standard deviation of the controls around no difference, relative or a difference
	Controls int     `json:"controls"`
	Note     string  `json:"note,omitempty"`

	difference bool // of rows that compare by difference, which have no drift
}

// A Comparison is what differs between two runs.
type Comparison struct {
	OldRun, NewRun Identity
	Options        CompareOptions
	Rows           []Row
	Drifts         []Drift
	Missing        []Missing // cells and units that only the old run measured
	OnlyNew        []string
	// Incomplete is the state of a new run that was stopped or killed, "incomplete: 2 of 40 trials"; empty if it is complete.
	Incomplete string
	Gaps       []string // parts of the runs about which the comparison says nothing: see gaps
	Broken     []string // gates that would fire on the runs' own A/A pairs
	Remarks    []string
}

// An Identity names a run.
type Identity struct {
	Dir        string `json:"dir"`
	Experiment string `json:"experiment"`
	Target     string `json:"target"`
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	Commit     string `json:"commit,omitempty"`
	Date       string `json:"date"`
	State      string `json:"state"`
}

func identityOf(r *record.Run) Identity {
	e := &r.Env
	return Identity{r.Dir, e.Experiment, e.Target, e.Kernel, e.CPU, e.Commit, e.Started.Format("2006-01-02 15:04 MST"), r.State()}
}

// Compare says in which cells two runs differ. Its error wraps errIncomparable.
//
// The definition says of each unit whether its values are compared as ratios or as differences (harness.MetricSpec). A ratio
// with a value that is 0 is compared as a difference. A row is better or worse only if all of these hold:
//
//  1. The Mann-Whitney test, on values from which the drift was taken, gives p < Alpha. With so few repeats that p cannot be
//     below Alpha (three against three), the row is "too few".
//  2. The difference reaches the least in force: of ratios the minimum effect of the options, of differences the least of the
//     definition, or the A/A noise of either run in this workload and unit, whichever is largest. A rank test alone finds many
//     false differences on shared machines (Laaber et al., EMSE 2019).
//  3. A t test of the difference of medians gives p < Alpha after the correction of Benjamini and Hochberg (1995) over
//     all rows. Its standard error is the larger of two: of the spread within the runs, and of the controls, the rows whose
//     program is the same in both runs (ceilings, the kernel's own variants, objects with the same hash). The second is an
//     empirical null (Efron 2004): two runs of the same tree differ in time and memory layout, which the spread within a run
//     does not show.
//
// Values that are 0 in all repeats of one run and above the least difference in all of the other need the first two only,
// because zeros have no spread to test against.
//
// Benjamini-Hochberg and not Holm: one changed program moves many rows together, and Holm would correct each for all others.
// If nothing changed, both bound the chance of any false finding by Alpha. The rank test is not corrected: at five repeats its
// least p is 0.008, which would never pass a correction over a hundred rows.
//
// Runs on target exact: see judgeExact. Fates: see judgeFate.
//
// Drift: the runs lie at different times, and the machine was faster in one of them. The drift is the geometric mean of new/old
// over the ceilings of a workload, unit and rate whose program is the same in both runs. It is taken off every row and printed.
// Without such a ceiling, or where the ceilings and the other controls disagree, the drift is not known and nothing is taken
// off.
func Compare(old, new *record.Run, o CompareOptions) (*Comparison, error) {
	exact := old.Env.Target == harness.TargetExact
	o.Alpha = cmp.Or(o.Alpha, 1-stats.Confidence)
	if exact {
		o.MinEffect = cmp.Or(o.MinEffect, DefaultMinEffectExact)
	}
	o.MinEffect = cmp.Or(o.MinEffect, DefaultMinEffect)
	if !(o.MinEffect >= 0) || math.IsInf(o.MinEffect, 1) || !(o.Alpha > 0 && o.Alpha < 1) {
		return nil, fmt.Errorf("compare runs: minimum effect %v or alpha %v out of range", o.MinEffect, o.Alpha)
	}
	if err := comparable(old, new, o); err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", old.Dir, new.Dir, err)
	}
	before, after := Analyze(old), Analyze(new)
	for _, w := range o.Workloads {
		if err := harness.Known("workload", w, before.workloads()); err != nil {
			return nil, fmt.Errorf("compare %s with %s: %w", old.Dir, new.Dir, err)
		}
	}
	c := &Comparison{OldRun: before.ID, NewRun: after.ID, Options: o}
	var warnings []string // of benchmath about the rows' samples
	if !new.Env.Complete {
		c.Incomplete = new.State()
	}
	c.pair(before, after)
	fates := harness.Filter(c.Rows, func(r Row) bool { return r.Unit == harness.UnitFate })
	c.Rows = slices.DeleteFunc(c.Rows, func(r Row) bool { return r.Unit == harness.UnitFate })
	if exact {
		c.judgeExact(before, after)
	} else {
		c.judgeHost(before, after)
	}
	c.Rows = append(c.Rows, harness.Map(fates, judgeFate)...)
	c.gaps(before, after)
	for _, r := range c.Rows {
		if exact { // pairs decide there, not the intervals of medians that benchmath warns of
			break
		}
		texts := slices.Concat(r.Old.Warnings, r.New.Warnings)
		slices.Sort(texts)
		warnings = append(warnings, slices.Compact(texts)...)
	}
	c.Remarks = append(c.Remarks, counted(warnings, "row")...)
	return c, nil
}

func comparable(old, new *record.Run, o CompareOptions) error {
	a, b := identityOf(old), identityOf(new)
	for _, f := range []struct{ what, a, b, hint string }{
		{"experiment", a.Experiment, b.Experiment, ""},
		{"target", a.Target, b.Target, ": numbers of different targets mean different things"},
		{"CPU", a.CPU, b.CPU, ": compare within one machine"},
		{"architecture", old.Env.GOARCH, new.Env.GOARCH, ""},
		{"QEMU", old.Env.QEMU, new.Env.QEMU, ""},
	} {
		if f.a != f.b {
			return fmt.Errorf("%w: %s %q and %q%s", errIncomparable, f.what, f.a, f.b, f.hint)
		}
	}
	if err := cmp.Or(sameSeeds(old, new), sameEffort(&old.Env, &new.Env)); err != nil {
		return err
	}
	if a.Kernel != b.Kernel && !o.Kernels {
		return fmt.Errorf("%w: kernel %q and %q: kernel against kernel is compared with --kernels", errIncomparable, a.Kernel, b.Kernel)
	}
	return nil
}

// Gate reports whether the new run is worse anywhere, or lacks what the old one measured: a stopped run lacks its end.
func (c *Comparison) Gate() bool {
	return (len(c.Missing) > 0 || c.Incomplete != "") && !c.Options.AllowMissing || c.Count(Worse) > 0
}

// Blind reports whether no row was judged, so that the gate can say nothing; never if that is allowed as what is missing is.
func (c *Comparison) Blind() bool { return c.unjudged() == len(c.Rows) && !c.Options.AllowMissing }

// Count is how many rows have the verdict.
func (c *Comparison) Count(verdict string) int {
	return harness.Count(c.Rows, func(r Row) bool { return r.Verdict == verdict })
}

// unjudged is how many rows have no verdict on a difference.
func (c *Comparison) unjudged() int {
	return c.Count(TooFew) + c.Count(OneTrial) + c.Count(NoSeed) + c.Count(NotKnown)
}

// unjudgedWords are the verdicts on rows that were not judged, with the words of summaries.
var unjudgedWords = [][2]string{
	{TooFew, "with too few repeats"}, {OneTrial, "with one trial"}, {NoSeed, "without a common seed"}, {NotKnown, "not known"},
}

// counts lists how many rows have each of the verdicts, in words; those that no row has only if they are better or worse.
func (c *Comparison) counts(verdicts [][2]string) (parts []string) {
	for _, v := range verdicts {
		if n := c.Count(v[0]); n > 0 || v[0] == Better || v[0] == Worse {
			parts = append(parts, fmt.Sprintf("%d %s", n, v[1]))
		}
	}
	return parts
}

// Summary is the comparison in one line.
func (c *Comparison) Summary() string {
	parts := append([]string{harness.Plural(len(c.Rows), "row")}, c.counts([][2]string{
		{Worse, "worse"}, {Better, "better"}, {Differs, "different"}, {same, "without a difference shown (~)"},
	})...)
	parts = append(parts, c.counts(unjudgedWords)...)
	if n := len(c.Missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%d missing", n))
	}
	if n := len(c.OnlyNew); n > 0 {
		parts = append(parts, fmt.Sprintf("%d only in the new run", n))
	}
	if c.Incomplete != "" {
		parts = append(parts, "the new run is "+c.Incomplete)
	}
	return strings.Join(parts, ", ")
}
