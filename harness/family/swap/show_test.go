// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// TestShows: a version that does not show is wrong if more packets came than were on the way when it replaced the one before, else starved.
func TestShows(t *testing.T) {
	const flight = 10
	for _, tt := range []struct {
		name  string
		came  uint64 // since the first look
		shown bool   // after a quarter of the time
		want  string // in the error; empty: none
	}{
		{"in force", flight + 1, true, ""},
		{"no packets", 0, false, ""},
		{"packets that were on the way", flight, false, ""},
		{"packets that the generator sent since", flight + 1, false, "version 6 did not show in 250ms, and 11 packets came"},
	} {
		begin, came := time.Now(), uint64(7)
		err := shows(t.Context(), 6, "packets", flight, func() (bool, uint64, error) {
			before := came
			came = 7 + tt.came
			return tt.shown && time.Since(begin) > patience/4, before, nil
		})
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestStaysBehind: a version that signs as another fails the trial, and this machine is not to blame.
func TestStaysBehind(t *testing.T) {
	v := wrong(t, "stays_behind")
	s := prepare(t, "1", v)
	if err := s.Check(t.Context(), v.Name); err != nil {
		t.Fatal(err)
	}
	_, err := s.Measure(t.Context(), harness.Cell{Workload: "replace", Variant: v.Name, Axes: []harness.AxisValue{{Name: "swaps", Value: "4"}}}, harness.Budget{})
	if err == nil || !strings.Contains(err.Error(), "version 3 did not show") || errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("measure: %v", err)
	}
}
