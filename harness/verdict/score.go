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

// scores holds the run against the scores that its definition declares. A score is a bound on a median: it says nothing
// about how sure that is, which the tables do.
func (a *Analysis) scores() []ScoreResult {
	var out []ScoreResult
	for _, s := range a.Run.Env.Scores {
		out = append(out, a.score(s))
	}
	return out
}

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
	bound := func(word string, limit *float64, fails bool) {
		if limit == nil {
			return
		}
		text += fmt.Sprintf(", %s %s", word, strings.TrimSpace(sc.Format(*limit)+" "+sc.Unit))
		if fails {
			out.Outcome = Failed
		}
	}
	bound("at least", s.Least, s.Least != nil && out.Value < *s.Least)
	bound("at most", s.Most, s.Most != nil && out.Value > *s.Most)
	out.Why = text
	return out
}

// FailedScores names the scores that a run failed.
func FailedScores(scored []ScoreResult) []string {
	var out []string
	for _, s := range scored {
		if s.Outcome == Failed {
			out = append(out, s.Score.Name+": "+s.Why)
		}
	}
	return out
}
