// SPDX-License-Identifier: Apache-2.0

package fill

import (
	"os"
	"testing"
	"time"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/labtest"
)

// TestFilledProgram: a program finds what the file says in its maps and variables, maps of maps, of programs and for each CPU too.
func TestFilledProgram(t *testing.T) {
	labtest.AsRoot(t)
	raw, err := os.ReadFile("../testdata/filled.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	bpf.Add("filled", raw)
	for text, want := range map[string]uint32{
		"more: 0": 0,
		"vips: [{key: {addr: 10.0.0.1, port: 80, mac: 02:00:00:00:00:09, range: [{low: 1, high: 2}, {low: 3, high: 4}]}, value: 5}]\n" +
			"each: [{key: 0, value: 0x10}]\nouter: [{key: 1, value: [{key: 1, value: 7}]}]\nmore: 0xfffffffe": 26,
		"slot: 1":                          99, // the object's own entry
		"jumps: [{key: 0, value: jumped}]": 99,
	} {
		fills, variables, err := Parse([]byte(text), object(t, "filled"))
		if err != nil {
			t.Fatal(err)
		}
		data, err := prog.Data{Sides: map[string]prog.Side{"filled": {Program: "filled", Fills: fills, Variables: variables}}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s, err := prog.Family{Loader: bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), harness.Group{Data: data,
			Members: []harness.Member{{Name: "filled", Variant: harness.Variant{Name: "filled", Object: "filled"}}}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r, err := s.Measure(t.Context(), harness.Cell{Variant: "filled", Axes: []harness.AxisValue{{Name: prog.AxisInput, Value: "arp"}}}, harness.Budget{Measure: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := prog.ReadOutput(r.Series[0]); !ok || o.Value != want {
			t.Errorf("%s: returns %d, want %d", text, o.Value, want)
		}
	}
}
