// SPDX-License-Identifier: Apache-2.0

package experiments_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestReference: docs/definitions.md has a section for each struct of a definition, with a row for each field in the struct's order,
// and no other row.
func TestReference(t *testing.T) {
	raw, err := os.ReadFile("../docs/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	title, row := regexp.MustCompile(`^##+ (.*)$`), regexp.MustCompile("^\\| `([a-z]+)` \\|(.*)\\|(.*)\\|(.*)\\|(.*)\\|$")
	have := map[string][]string{}
	var section string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		if m := title.FindStringSubmatch(line); m != nil {
			section = m[1]
		} else if m := row.FindStringSubmatch(line); m != nil {
			have[section] = append(have[section], m[1])
			if slices.ContainsFunc(m[2:], func(cell string) bool { return strings.TrimSpace(cell) == "" }) {
				t.Errorf("section %s: an empty cell in the row of %s", section, m[1])
			}
		}
	}
	for section, of := range map[string]any{
		"Experiment": harness.Experiment{}, "Guest": harness.GuestSpec{}, "Variant": harness.Variant{}, "Knob": harness.Knob{}, "Setting": harness.Setting{},
		"Command": harness.Command{}, "Need": harness.Need{},
		"Workload": harness.WorkloadSpec{}, "Axis": harness.Axis{}, "Metric": harness.MetricSpec{}, "Profile": harness.Profile{},
		"Profile's workload": harness.ProfileWorkload{}, "Budget": harness.Budgets{}, "Plot": harness.PlotSpec{}, "Axis value": harness.AxisValue{}, "Answer": harness.Answer{},
		"Labels": harness.PlotSpec{}.Labels, "Score": harness.Score{}, "Law": harness.Law{}, "Parameter": harness.LawParam{},
	} {
		var want []string
		for f := range fields(of) {
			want = append(want, strings.ToLower(f.Name))
		}
		if !slices.Equal(have[section], want) {
			t.Errorf("section %s has the fields %q, the struct %q", section, have[section], want)
		}
		delete(have, section)
	}
	delete(have, "Inheritance")
	for section, rows := range have {
		t.Errorf("section %s is of no struct and has the fields %q", section, rows)
	}
	reached := map[reflect.Type]bool{}
	reach(reflect.TypeFor[harness.Experiment](), reached)
	if n := len(reached); n != 21 {
		t.Errorf("a definition consists of %d structs: give each a section", n)
	}
}

func fields(of any) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range reflect.TypeOf(of).NumField() {
			if reflect.TypeOf(of).Field(i).Tag.Get("yaml") == "-" {
				continue
			}
			if !yield(reflect.TypeOf(of).Field(i)) {
				return
			}
		}
	}
}

// reach collects the structs that a type consists of.
func reach(t reflect.Type, into map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer:
		reach(t.Elem(), into)
	case reflect.Struct:
		into[t] = true
		for i := range t.NumField() {
			reach(t.Field(i).Type, into)
		}
	}
}
