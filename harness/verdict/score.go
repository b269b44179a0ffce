// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/law"
	"github.com/kxlab/kxlab/harness/unit"
)

// The outcomes of a score.
const (
	Passed      = "pass"
	Failed      = "FAIL"
	NotMeasured = "not measured" // no cell of this run says anything
)

// A ScoreResult is what a run says about a score.
type ScoreResult struct {
	Score   harness.Score `json:"score"`
	Value   float64       `json:"value"` // a median, or the quotient of two
	N       int           `json:"n"`     // repeats behind it
	Outcome string        `json:"outcome"`
	Why     string        `json:"why"`
}

// scores tests the scores that the run's definition declares. A score bounds a median, whatever its interval.
func (a *Analysis) scores() []ScoreResult { return harness.Map(a.Run.Env.Scores, a.score) }

func (a *Analysis) score(s harness.Score) ScoreResult {
	out := ScoreResult{Score: s, Outcome: NotMeasured}
	own, why := a.pick(harness.CellSelector{Workload: s.Workload, Variant: s.Variant, Where: s.Where}, s.Unit)
	if own == nil {
		out.Why = why
		return out
	}
	out.Value, out.N = a.Summary(own).Median, len(own.Values)
	sc := unit.ScaleFor(s.Unit, []float64{out.Value})
	text := sc.Format(out.Value) + " " + sc.Unit
	if s.Over != "" {
		other, why := a.pick(harness.CellSelector{Workload: s.Workload, Variant: s.Over, Where: s.Where}, s.Unit)
		if other == nil {
			out.Why = why
			return out
		}
		m := a.Summary(other).Median
		if m == 0 {
			out.Why = "the divisor is 0"
			return out
		}
		text += fmt.Sprintf(" over %s %s of %s", sc.Format(m), sc.Unit, s.Over)
		out.Value /= m
		text = fmt.Sprintf("%s (%s)", unit.Digits(out.Value), text)
		sc = unit.Scale{Factor: 1}
	}
	out.Outcome = Passed
	for _, b := range []struct {
		words string
		limit *float64
		sign  float64
	}{{"at least", s.Least, 1}, {"at most", s.Most, -1}} {
		if b.limit == nil {
			continue
		}
		text += fmt.Sprintf(", %s %s", b.words, strings.TrimSpace(sc.Format(*b.limit)+" "+sc.Unit))
		if b.sign*out.Value < b.sign**b.limit {
			out.Outcome = Failed
		}
	}
	out.Why = text
	return out
}

// FailedScores names the scores that a run failed.
func FailedScores(all []ScoreResult) []string {
	failed := harness.Filter(all, func(s ScoreResult) bool { return s.Outcome == Failed })
	return harness.Map(failed, func(s ScoreResult) string { return s.Score.Name + ": " + s.Why })
}

// A LawResult compares one variant with a law.
type LawResult struct {
	Law       harness.Law `json:"law"`
	Variant   string      `json:"variant"`
	Control   bool        `json:"control,omitempty"` // it differs on purpose: it passes by breaking the law
	Source    string      `json:"source"`
	Value     float64     `json:"value"` // a median
	Predicted float64     `json:"predicted"`
	N         int         `json:"n"` // repeats behind it
	Outcome   string      `json:"outcome"`
	Why       string      `json:"why,omitempty"`
}

// laws tests the laws that the run's definition declares.
func (a *Analysis) laws() []LawResult {
	var out []LawResult
	for _, l := range a.Run.Env.Laws {
		for _, v := range l.Variants {
			out = append(out, a.judgeLaw(l, v))
		}
	}
	return out
}

func (a *Analysis) judgeLaw(l harness.Law, variant string) LawResult {
	v, _ := a.Run.Env.Variant(variant)
	j := LawResult{Law: l, Variant: variant, Control: v.Control, Source: l.Source, Outcome: NotMeasured}
	own, why := a.pick(harness.CellSelector{Workload: l.Workload, Variant: variant, Where: l.Where}, l.Unit)
	if own == nil {
		j.Why = why
		return j
	}
	j.Value, j.N = a.Summary(own).Median, len(own.Values)
	if err := j.predict(own.Cell, a); err != nil {
		j.Outcome, j.Why = Failed, err.Error()
		return j
	}
	j.Outcome = Passed
	if j.holds() == j.Control {
		j.Outcome = Failed
	}
	sc := unit.ScaleFor(l.Unit, []float64{j.Predicted})
	j.Why = fmt.Sprintf("%s: %s %s, predicted %s, %s off (tolerance %s)", variant, sc.Format(j.Value), sc.Unit, sc.Format(j.Predicted),
		unit.Percent(j.Value/j.Predicted-1, true), j.Bound())
	if j.Control && j.Outcome == Failed {
		j.Why = "the control does not break it: the law cannot be trusted; " + j.Why
	}
	return j
}

// predict computes the prediction for the cell.
func (j *LawResult) predict(c harness.Cell, a *Analysis) error {
	f, err := law.Find(j.Law.Formula)
	if err != nil {
		return err
	}
	j.Source = cmp.Or(j.Source, f.Source)
	params := map[string]float64{}
	for _, p := range j.Law.Params {
		v := p.Value
		switch {
		case p.Axis != "":
			if _, err := fmt.Sscan(c.Axis(p.Axis), &v); err != nil {
				return fmt.Errorf("parameter %s: axis %s is %q, not a number", p.Name, p.Axis, c.Axis(p.Axis))
			}
		case p.Unit != "":
			s, why := a.pick(harness.CellSelector{Workload: c.Workload, Variant: c.Variant, Where: c.Axes}, p.Unit)
			if s == nil {
				return fmt.Errorf("parameter %s: %s", p.Name, why)
			}
			v = a.Summary(s).Median
		}
		params[p.Name] = v * cmp.Or(p.Scale, 1)
	}
	j.Predicted, err = f.Value(params)
	return err
}

// holds reports whether the value is as predicted.
func (j *LawResult) holds() bool {
	d := j.Value/j.Predicted - 1
	switch j.Law.Side {
	case harness.LawMost:
		return d <= j.Law.Tolerance
	case harness.LawLeast:
		return d >= -j.Law.Tolerance
	}
	return math.Abs(d) <= j.Law.Tolerance
}

// Bound is the tolerance as text.
func (j *LawResult) Bound() string {
	text := unit.Percent(j.Law.Tolerance, false)
	switch j.Law.Side {
	case harness.LawMost:
		return "at most +" + text
	case harness.LawLeast:
		return "at least -" + text
	}
	return "±" + text
}

// FailedLaws names the laws that a run broke, and the controls that did not.
func FailedLaws(all []LawResult) []string {
	failed := harness.Filter(all, func(j LawResult) bool { return j.Outcome == Failed })
	return harness.Map(failed, func(j LawResult) string { return j.Law.Name + ": " + j.Why })
}
