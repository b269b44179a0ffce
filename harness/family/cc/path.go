// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// Axes names the axes the family understands.
func (Family) Axes() []string {
	return []string{"rate", "rtt", "buffer", "loss", "burst", "flows", "aqm", "against", "spread", "change", "load", "swaps"}
}

// axisWords returns the values of an axis whose values are words, nil for any other axis.
func axisWords(axis string) []string {
	switch axis {
	case "aqm":
		return netlab.AQMs()
	case "spread":
		return []string{spreadSame, spreadMixed}
	case "change":
		return []string{changeRate, changeDelay, changeOutage}
	case "load":
		return []string{loadOwn, loadIperf}
	}
	return nil
}

// CheckAxis returns an error unless the axis can have the value.
func (Family) CheckAxis(name, value string) error {
	if words := axisWords(name); words != nil && !slices.Contains(words, value) {
		return fmt.Errorf("%s=%s: want one of %s", name, value, strings.Join(words, ", "))
	}
	bounds := map[string]struct {
		least, most float64
		unit        string
	}{
		"rate":   {0.1, 100_000, "Mbit/s"},
		"rtt":    {0.1, 10_000, "ms"},
		"buffer": {0.001, 1000, "bandwidth-delay products"},
		"loss":   {0, 99, "percent of the packets"},
		"burst":  {1, 1000, "packets"},
		"flows":  {1, 1000, "flows"},
		"swaps":  {1, 100_000, "swaps"},
	}
	b, ok := bounds[name]
	if !ok {
		return nil
	}
	if v, err := strconv.ParseFloat(value, 64); err != nil || !(v >= b.least && v <= b.most) { // NaN neither
		return fmt.Errorf("%s=%s: want %g to %g %s", name, value, b.least, b.most, b.unit)
	}
	return nil
}

// Defaults of the axes that a cell does not have.
const (
	defaultRate   = 20 // Mbit/s
	defaultRTT    = 40 // ms
	defaultBuffer = 1  // bandwidth-delay products
)

// axisNumber returns a cell's value of an axis, or otherwise if the cell has no such axis.
func axisNumber(c harness.Cell, axis string, otherwise float64) (float64, error) {
	text := c.Axis(axis)
	if text == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("axis %s: %q is not a number", axis, text)
	}
	return v, nil
}

// pathOf returns the path of a cell's axes.
func pathOf(c harness.Cell, seed uint64) (netlab.Path, error) {
	p := netlab.Path{AQM: c.Axis("aqm"), Seed: seed}
	var rtt float64
	for _, a := range []struct {
		name      string
		into      *float64
		otherwise float64
		factor    float64
	}{
		{"rate", &p.Rate, defaultRate, 1e6}, {"rtt", &rtt, defaultRTT, 1e-3}, {"buffer", &p.Buffer, defaultBuffer, 1},
		{"loss", &p.Loss, 0, 0.01}, {"burst", &p.Burst, 1, 1},
	} {
		v, err := axisNumber(c, a.name, a.otherwise)
		if err != nil {
			return p, err
		}
		*a.into = v * a.factor
	}
	p.RTT = time.Duration(rtt * float64(time.Second))
	return p, p.Check()
}

// pathMarks is true if a cell's path may mark packets (ECN) instead of dropping them.
func pathMarks(c harness.Cell) bool {
	aqm := c.Axis("aqm")
	return aqm != "" && aqm != netlab.AQMNone
}
