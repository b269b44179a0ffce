// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
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
