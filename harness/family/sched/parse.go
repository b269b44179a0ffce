// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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

// parseCyclictest reads the histogram of cyclictest -h: the number of wake-ups for each microsecond of latency,
// summed over threads, and the number beyond the histogram.
func parseCyclictest(out string) (histogram []int, over int, err error) {
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if rest, ok := strings.CutPrefix(line, "# Histogram Overflows:"); ok {
			for n := range strings.FieldsSeq(rest) {
				k, err := strconv.Atoi(n)
				if err != nil {
					return nil, 0, fmt.Errorf("parse cyclictest: %q", strings.TrimSpace(line))
				}
				over += k
			}
			continue
		}
		if len(f) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		us, err := strconv.Atoi(f[0])
		if err != nil || us != len(histogram) {
			continue // an error message or another line outside the histogram
		}
		sum := 0
		for _, n := range f[1:] {
			k, err := strconv.Atoi(n)
			if err != nil {
				return nil, 0, fmt.Errorf("parse cyclictest: %q", strings.TrimSpace(line))
			}
			sum += k
		}
		histogram = append(histogram, sum)
	}
	if len(histogram) == 0 {
		return nil, 0, fmt.Errorf("parse cyclictest: no histogram in %q", out)
	}
	return histogram, over, nil
}

// histogramQuantile returns the latency in microseconds that at least the share p of the values does not exceed.
// Values beyond the histogram count as its end.
func histogramQuantile(histogram []int, over int, p float64) float64 {
	total := over
	for _, n := range histogram {
		total += n
	}
	below := 0
	for us, n := range histogram {
		below += n
		if n > 0 && float64(below) >= p*float64(total) {
			return float64(us)
		}
	}
	return float64(len(histogram))
}
