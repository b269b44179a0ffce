// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTableOfSamples: samples become a table by their innermost functions, in the unit of a metric; without units of work there is none.
func TestTableOfSamples(t *testing.T) {
	p := Profile{Cell: "C", Kind: OnCPU, Unit: "insn", Per: "req", Work: 2, Stacks: []Stack{{"sh;main;f", 10}, {"sh;f", 6}, {"sh;f;g_[k]", 4}}}
	got, ok := p.Table()
	want := Table{Cell: "C", Unit: "insn/req", Whole: 10, Functions: []Function{{"f", 8}, {"g", 2}}}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("ok %v (-want +got):\n%s", ok, diff)
	}
	p.Work = 0
	if _, ok := p.Table(); ok {
		t.Error("a table without units of work")
	}
}
