// SPDX-License-Identifier: Apache-2.0

package record

import (
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
)

// stackLines hold where tasks spent their time, by stack: a line a cell and kind of profile, of runs that sampled stacks.
var stackLines = lines[profile.Profile]{"stacks.jsonl", 1, checkProfile}

// Stacks records the profiles of a run, all at once.
func (w *Writer) Stacks(profiles []profile.Profile) error { return writeLines(w, stackLines, profiles) }

func checkProfile(experiment string, p profile.Profile) error {
	if _, err := ParseCell(experiment, p.Cell); err != nil {
		return err
	}
	if !slices.Contains(profile.Kinds(), p.Kind) {
		return &harness.UnknownError{Kind: "kind of profile", Word: p.Kind, Known: profile.Kinds()}
	}
	values := append(harness.Map(p.Stacks, func(s profile.Stack) float64 { return s.Value }), p.Window, p.Period, p.Work)
	for _, v := range values {
		if err := checkValue(p.Unit, v); err != nil {
			return err
		}
	}
	return nil
}
