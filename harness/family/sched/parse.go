// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// parseHackbench returns the run time that hackbench printed.
func parseHackbench(out string) (time.Duration, error) {
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "Time: "); ok {
			secs, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil || secs <= 0 {
				return 0, fmt.Errorf("parse hackbench: %q", strings.TrimSpace(line))
			}
			return time.Duration(secs * float64(time.Second)), nil
		}
	}
	return 0, fmt.Errorf("parse hackbench: no time in %q", out)
}

// parseStress returns the sum of bogus operations over all stressors in the table of stress-ng --metrics-brief.
func parseStress(out string) (ops int64, err error) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		// stress-ng: metrc: [158] pipe  2000  0.02  0.01  0.03  86110.31  46523.53
		if len(f) < 7 || f[0] != "stress-ng:" || !strings.HasPrefix(f[2], "[") {
			continue
		}
		n, err1 := strconv.ParseInt(f[4], 10, 64)
		_, err2 := strconv.ParseFloat(f[5], 64)
		if err1 != nil || err2 != nil {
			continue // a heading, or a line of another table
		}
		ops += n
	}
	if ops == 0 {
		return 0, fmt.Errorf("parse stress-ng: no operations in %q", out)
	}
	return ops, nil
}

// A cyclicReport is what cyclictest -h prints at its end, summed over its threads.
type cyclicReport struct {
	histogram []int // the number of wakeups for each microsecond of lateness
	over      int   // wakeups that were later than the histogram is long
	max       int   // the latest, microseconds, even beyond the histogram; 0: not printed
}

// parseCyclictest parses the output of cyclictest -h.
func parseCyclictest(out string) (r cyclicReport, err error) {
	for line := range strings.Lines(out) {
		bad := fmt.Errorf("parse cyclictest: %q", strings.TrimSpace(line))
		if rest, ok := strings.CutPrefix(line, "# Histogram Overflows:"); ok {
			over, err := parseInts(rest)
			if err != nil {
				return r, bad
			}
			for _, n := range over {
				r.over += n
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# Max Latencies:"); ok {
			most, err := parseInts(rest)
			if err != nil || len(most) == 0 {
				return r, bad
			}
			r.max = slices.Max(most)
			continue
		}
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		us, err := strconv.Atoi(f[0])
		if err != nil || us != len(r.histogram) {
			continue // an error message or another line outside the histogram
		}
		sum := 0
		for _, n := range f[1:] {
			k, err := strconv.Atoi(n)
			if err != nil {
				return r, bad
			}
			sum += k
		}
		r.histogram = append(r.histogram, sum)
	}
	if len(r.histogram) == 0 {
		return r, fmt.Errorf("parse cyclictest: no histogram in %q", out)
	}
	return r, nil
}

// parseInts parses numbers between spaces.
func parseInts(s string) (out []int, err error) {
	for f := range strings.FieldsSeq(s) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// wakes is the number of wakeups.
func (r cyclicReport) wakes() int {
	total := r.over
	for _, n := range r.histogram {
		total += n
	}
	return total
}

// quantile returns the lateness in microseconds that at least the share p of the wakeups does not exceed. One that lies beyond
// the histogram is not known, and us is then what it is more than; the maximum, p = 1, is known wherever it was printed.
func (r cyclicReport) quantile(p float64) (us float64, beyond bool) {
	need, below := p*float64(r.wakes()), 0
	for us, n := range r.histogram {
		below += n
		if n > 0 && float64(below) >= need {
			return float64(us), false
		}
	}
	if p == 1 && r.max >= len(r.histogram) {
		return float64(r.max), false
	}
	return float64(len(r.histogram) - 1), true
}

// metrics returns the quantiles in seconds; those that are not known as bounds.
func (r cyclicReport) metrics() []harness.Metric {
	var out []harness.Metric
	for _, q := range []struct {
		unit string
		p    float64
	}{{"p50-sec", 0.5}, {"p99-sec", 0.99}, {"max-sec", 1}} {
		us, beyond := r.quantile(q.p)
		out = append(out, harness.Metric{Unit: q.unit, Value: us / 1e6, Beyond: beyond})
	}
	return out
}
