// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

// jsonLines is a Recorder that also writes JSON lines.
type jsonLines struct {
	runner.Recorder
	enc *json.Encoder
}

// A jsonLine is one event.
type jsonLine struct {
	Event   string             `json:"event"` // trial, reject, outcome, gate
	Cell    string             `json:"cell,omitempty"`
	Repeat  int                `json:"repeat"`
	Order   int                `json:"order"`
	Seed    uint64             `json:"seed"`
	Start   time.Time          `json:"start,omitzero"`
	Sec     float64            `json:"measured_sec,omitempty"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
	Outcome harness.Outcome    `json:"outcome,omitempty"`
	Where   string             `json:"where,omitempty"` // where the outcome was decided
	Reason  string             `json:"reason,omitempty"`
	Gate    *record.Gate       `json:"gate,omitempty"`
}

func newJSONLines(w io.Writer, r runner.Recorder) *jsonLines {
	return &jsonLines{Recorder: r, enc: json.NewEncoder(w)}
}

func (j *jsonLines) Trial(t harness.Trial) error {
	return j.both(line("trial", t, ""), j.Recorder.Trial(t))
}

func (j *jsonLines) Reject(t harness.Trial, reason string) error {
	return j.both(line("reject", t, reason), j.Recorder.Reject(t, reason))
}

func (j *jsonLines) Outcome(o record.CellOutcome) error {
	l := jsonLine{Event: "outcome", Cell: o.Cell, Outcome: o.Outcome, Where: o.Where, Reason: o.Reason}
	return j.both(l, j.Recorder.Outcome(o))
}

func (j *jsonLines) Gate(g record.Gate) error {
	return j.both(jsonLine{Event: "gate", Gate: &g}, j.Recorder.Gate(g))
}

// both writes the line if its event was recorded.
func (j *jsonLines) both(l jsonLine, err error) error {
	if err != nil {
		return err
	}
	return j.enc.Encode(l)
}

func line(event string, t harness.Trial, reason string) jsonLine {
	l := jsonLine{
		Event: event, Cell: t.Cell.BenchName(), Repeat: t.Repeat, Order: t.Order, Seed: t.Seed, Start: t.Start,
		Sec: t.Result.Measured.Seconds(), Reason: reason,
	}
	if reason == "" {
		l.Metrics = map[string]float64{}
		for _, m := range t.Result.Metrics {
			l.Metrics[m.Unit] = m.Value
		}
	}
	return l
}
