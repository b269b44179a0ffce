// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"encoding/json"
	"fmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// An event is one report of a worker, a line of JSON where it comes out of a guest. One of its fields is set.
type event struct {
	Enter   *string             `json:"enter,omitempty"` // a group, by Group.String, that is set up next
	Ready   bool                `json:"ready,omitempty"` // the group is set up and its gates are checked
	Begin   *Mark               `json:"begin,omitempty"` // an attempt at a trial
	Trial   *harness.Trial      `json:"trial,omitempty"` // a trial that counts
	Reject  *rejection          `json:"reject,omitempty"`
	Outcome *record.CellOutcome `json:"outcome,omitempty"` // of a cell that is not, or no longer, measured
	Gate    *record.Gate        `json:"gate,omitempty"`
	Phase   string              `json:"phase,omitempty"` // work between trials
	End     *ending             `json:"end,omitempty"`
}

// A rejection is a trial that does not count.
type rejection struct {
	Trial  harness.Trial `json:"trial"`
	Reason string        `json:"reason"`
	Where  string        `json:"where"` // harness.AtTrial, AtGate or AtGuest
}

// ending is the last report of a worker.
type ending struct {
	Error string `json:"error,omitempty"`
}

// A sender passes events on. Its errors end the worker.
type sender func(event) error

// jsonSender sends events as lines of JSON.
func jsonSender(enc *json.Encoder) sender {
	return func(e event) error {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		return nil
	}
}
