// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A Lap is what two programs took that were timed in turns under one traffic.
type Lap struct {
	At       string  `json:"at"` // the traffic
	A        float64 `json:"a"`  // ns a packet
	B        float64 `json:"b"`
	Change   float64 `json:"change"` // B against A, less 1
	Low      float64 `json:"low"`    // its interval
	High     float64 `json:"high"`
	DiffLow  float64 `json:"diff_low"` // of B less A, ns a packet
	DiffHigh float64 `json:"diff_high"`
	Loads    int     `json:"loads"`            // or set-ups
	Unit     string  `json:"unit,omitempty"`   // of A and B, if it is not the answer's
	Better   string  `json:"better,omitempty"` // "lower", which is meant without, "higher" or "neither"
	Verdict  string  `json:"verdict"`
}

// noDifference is the verdict of a lap without a difference.
const noDifference = "~"

// Judge sets the verdict: better or worse where a difference is shown and reaches the least that counts.
func (l *Lap) Judge(shown bool, minEffect float64) {
	switch {
	case !shown || math.Abs(l.Change) < minEffect:
		l.Verdict = noDifference
	case l.Better == "neither":
		l.Verdict = verdict.Differs
	case l.Change > 0 == (l.Better == "higher"):
		l.Verdict = verdict.Better
	default:
		l.Verdict = verdict.Worse
	}
}

// A LapAnswer is the answer to "is B better than A?" from programs timed in turns.
type LapAnswer struct {
	A, B string // as the user named them
	Laps []Lap
	Unit string // ns/pkt or ns/run; empty: each row has its own
	// Title and Footer are those of the table.
	Title, Footer string
	// Gates and Differences: see AB.
	Gates, Differences []string
}

// percent writes a share as a percentage, with a sign if signed: in hundredths, as laps tell a third of one apart.
func percent(v float64, signed bool) string {
	if signed {
		return fmt.Sprintf("%+.2f %%", 100*v)
	}
	return fmt.Sprintf("%.2f %%", 100*v)
}

// WriteLaps writes the answer as text, markdown or json.
func WriteLaps(w io.Writer, answer LapAnswer, format string) error {
	a, b, laps := answer.A, answer.B, answer.Laps
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			A       string   `json:"a"`
			B       string   `json:"b"`
			Unit    string   `json:"unit,omitempty"`
			Laps    []Lap    `json:"laps"`
			Outputs []string `json:"different_outputs,omitempty"`
		}{a, b, answer.Unit, laps, answer.Differences})
	}
	p, err := newPrinter(w, format)
	if err != nil {
		return err
	}
	most := laps[0]
	for _, l := range laps {
		if l.Verdict != noDifference && (most.Verdict == noDifference || math.Abs(l.Change) > math.Abs(most.Change)) {
			most = l
		}
	}
	var sentence string
	switch {
	case most.Verdict == noDifference && (most.Low > 0 || most.High < 0):
		sentence = fmt.Sprintf("A difference smaller than the least that counts is shown between %s and %s: B against A %s [%s, %s] (%s).", a, b,
			percent(most.Change, true), percent(most.Low, true), percent(most.High, true), most.At)
	case most.Verdict == noDifference:
		sentence = fmt.Sprintf("No difference is shown between %s and %s: B against A %s [%s, %s] (%s).", a, b,
			percent(most.Change, true), percent(most.Low, true), percent(most.High, true), most.At)
	default:
		more := "more"
		if most.Change < 0 {
			more = "less"
		}
		verb := "takes"
		if most.Unit != "" {
			verb = "has"
		}
		sentence = fmt.Sprintf("%s %s %s %s %s than %s [%s, %s]: %s (%s).", b, verb, percent(math.Abs(most.Change), false), more, cmp.Or(most.Unit, answer.Unit), a,
			percent(most.Low, true), percent(most.High, true), most.Verdict, most.At)
	}
	p.printf("%s\n\n", p.line(sentence))
	p.list("Correctness", answer.Gates)
	p.list("Different outputs, A | B", answer.Differences)
	g := grid{title: answer.Title, head: []string{"at", "unit", "A", "B", "B against A", "more", "verdict"}, footer: answer.Footer}
	for _, l := range laps {
		g.rows = append(g.rows, []string{
			l.At, cmp.Or(l.Unit, answer.Unit), unit.Digits(l.A), unit.Digits(l.B),
			fmt.Sprintf("%s [%s, %s]", percent(l.Change, true), percent(l.Low, true), percent(l.High, true)),
			fmt.Sprintf("%+.3g [%+.3g, %+.3g]", l.B-l.A, l.DiffLow, l.DiffHigh), l.Verdict,
		})
	}
	p.grid(g)
	return p.err
}
