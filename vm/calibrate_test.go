// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// known makes pieces that take exactly what they should, but for the changes.
func known(changes ...int64) []int64 {
	return append(slices.Repeat([]int64{2 * spinLoops}, spinPieces-len(changes)), changes...)
}

func TestCalibrationCheck(t *testing.T) {
	const piece = 2 * spinLoops
	scaled := func(share float64) []int64 { return slices.Repeat([]int64{int64(piece * (1 + share))}, spinPieces) }
	for _, c := range []struct {
		about          string
		pieces         []int64
		counted, ticks int64
		err            string // "": may be measured
	}{
		{"as known", known(), spinPieces * piece, 0, ""},
		{"two ticks", known(piece+10_000, piece+20_000), spinPieces * piece, 30_000, ""},
		{"a little slow", scaled(0.0019), spinPieces * piece * 10019 / 10000, 0, ""},
		{"slow", scaled(0.0021), spinPieces * piece * 10021 / 10000, 0, "calibrate"},
		{"fast", scaled(-0.0021), spinPieces * piece * 9979 / 10000, 0, "calibrate"},
		{"a little busy", known(piece + 0.019*spinPieces*piece), spinPieces * piece, 0.019 * spinPieces * piece, ""},
		{"busy", known(piece + 0.021*spinPieces*piece), spinPieces * piece, 0.021 * spinPieces * piece, "not idle"},
	} {
		cal := &Calibration{Known: spinPieces * piece, Ticks: 77}
		err := cal.check(c.pieces)
		if cal.Counted != c.counted || cal.Ticks != c.ticks {
			t.Errorf("%s: counted %d, ticks %d; want %d, %d", c.about, cal.Counted, cal.Ticks, c.counted, c.ticks)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.about, err, c.err)
		}
	}
}

// The guest is idle after two idle windows in a row, and given up after a minute of its time.
func TestWaitIdle(t *testing.T) {
	for _, c := range []struct {
		about   string
		busy    []float64 // the last one for ever
		windows int
		err     string
	}{
		{"idle", []float64{0}, 2, ""},
		{"as idle as it must be", []float64{0.05}, 2, ""},
		{"busy first", []float64{1, 0.06, 0}, 4, ""},
		{"in a row", []float64{0, 1, 0, 1, 0}, 6, ""},
		{"never", []float64{0.5}, 121, "not idle after 1m0s of its time: 50 % busy"},
	} {
		n := 0
		cal := &Calibration{}
		err := cal.waitIdle(func(window time.Duration) (float64, error) {
			if window != 500*time.Millisecond {
				t.Errorf("window of %v", window)
			}
			n++
			return c.busy[min(n, len(c.busy))-1], nil
		}, func() time.Duration { return time.Duration(n) * 500 * time.Millisecond })
		if n != c.windows || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d windows, %v; want %d, %q", c.about, n, err, c.windows, c.err)
		}
		if last := c.busy[min(n, len(c.busy))-1]; cal.Busy != last || err == nil && cal.Waited != time.Duration(n)*500*time.Millisecond {
			t.Errorf("%s: %+v", c.about, cal)
		}
	}
	broken := errors.New("broken")
	if err := (&Calibration{}).waitIdle(func(time.Duration) (float64, error) { return 0, broken }, nil); err != broken {
		t.Errorf("%v, want the reader's error", err)
	}
}

func TestParseIdle(t *testing.T) {
	const stat = "cpu  10 0 0 700 50 0 0\ncpu0 5 0 0 300 20 9 9\ncpu1 5 0 0 400 30 9 9\nintr 5 1 2 3 4 5 6\n"
	got, err := parseIdle(stat)
	if want := []time.Duration{3200 * time.Millisecond, 4300 * time.Millisecond}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3 4 5 6\n", "cpu0 1 2 3 x 5 6\n", "cpu0 1 2 3 4 x 6\n", "cpu0 1 2 3\n"} {
		if got, err := parseIdle(bad); err == nil {
			t.Errorf("%q: %v and no error", bad, got)
		}
	}
}

func TestBusyOf(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		before, after []time.Duration
		want          float64
	}{
		{[]time.Duration{s, s}, []time.Duration{2 * s, 2 * s}, 0},
		{[]time.Duration{s, s}, []time.Duration{2 * s, s}, 0.5},
		{[]time.Duration{0}, []time.Duration{0}, 1},
		{[]time.Duration{0}, []time.Duration{2 * s}, 0}, // hundredths, rounded up
	} {
		if got, err := busyOf(c.before, c.after, s); err != nil || got != c.want {
			t.Errorf("%v to %v: %v, %v; want %v", c.before, c.after, got, err, c.want)
		}
	}
	if _, err := busyOf([]time.Duration{0}, []time.Duration{0, 0}, s); err == nil {
		t.Error("a CPU that came is no error")
	}
}
