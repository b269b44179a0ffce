// SPDX-License-Identifier: Apache-2.0

package record

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"

	"github.com/kxlab/kxlab/harness"
)

// ParseCell reads a cell's name in the form of harness.Cell.BenchName, of the named experiment.
func ParseCell(experiment, name string) (harness.Cell, error) {
	c := harness.Cell{Experiment: experiment}
	parts := strings.Split(name, "/")
	if parts[0] != strings.ToUpper(experiment) {
		return c, fmt.Errorf("name %q: not of the experiment %q", name, experiment)
	}
	for i, p := range parts[1:] {
		k, v, ok := strings.Cut(p, "=")
		if !ok {
			return c, fmt.Errorf("name %q: %q is not key=value", name, p)
		}
		switch {
		case i == 0 && k == "workload":
			c.Workload = v
		case i == 1 && k == "class":
			c.Class = v
		case i == 2 && k == "variant":
			c.Variant = v
		case i < 3:
			return c, fmt.Errorf("name %q: want workload, class and variant first, in this order", name)
		default:
			c.Axes = append(c.Axes, harness.AxisValue{Name: k, Value: v})
		}
	}
	return c, checkCell(c)
}

// checkCell returns an error for a cell whose name would break the record's format.
func checkCell(c harness.Cell) error {
	for _, kv := range []key{{"experiment", c.Experiment}, {"workload", c.Workload}, {"class", c.Class}, {"variant", c.Variant}} {
		if err := harness.CheckName(kv.key, kv.value); err != nil {
			return err
		}
	}
	seen := map[string]bool{"workload": true, "class": true, "variant": true}
	for _, a := range c.Axes {
		if err := cmp.Or(harness.CheckName("axis", a.Name), harness.CheckName("value of "+a.Name, a.Value)); err != nil {
			return err
		}
		if seen[a.Name] {
			return fmt.Errorf("axis %q is there twice", a.Name)
		}
		seen[a.Name] = true
	}
	return nil
}

// checkPlotName returns an error for a plot name that cannot be a file name. The origin of a record is not trusted.
func checkPlotName(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '\\' || unicode.IsControl(r) }) {
		return fmt.Errorf("plot %q: its name cannot be a file's", name)
	}
	return nil
}

// checkUnit returns an error for a unit that would break a line of the format. Note: readers of the format show "cpu-ns/pkt" as
// "cpu-sec/pkt", rescaled; this package reads units back as they were written.
func checkUnit(unit string) error {
	if unit == "" || strings.ContainsFunc(unit, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return fmt.Errorf("unit %q: empty or with spaces", unit)
	}
	return nil
}
