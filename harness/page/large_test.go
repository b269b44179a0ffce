// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestTenThousandCells: a page of 10,000 cells is made in seconds, stays small, and says what it leaves out and where that is.
func TestTenThousandCells(t *testing.T) {
	r := synthetic.Golden()
	r.Trials, r.Env.Plots = nil, nil
	for i := range 1000 {
		for _, v := range r.Env.Variants[:10] {
			c := harness.Cell{Experiment: "lb", Workload: "pps", Class: v.Class, Variant: v.Name, Axes: []harness.AxisValue{{Name: "services", Value: fmt.Sprint(i)}}}
			r.Trials = append(r.Trials, harness.Trial{Cell: c, Result: harness.Result{Metrics: []harness.Metric{{Unit: "pkt/s", Value: float64(1000 + i)}}}})
		}
	}
	began := time.Now()
	var b bytes.Buffer
	if err := writePage(&b, r); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second { // seconds on a quiet machine
		t.Errorf("it took %v", took)
	}
	if b.Len() > 1<<20 {
		t.Errorf("the page has %d bytes", b.Len())
	}
	for _, want := range []string{"left out here; bench.txt has every trial", "more tables left out"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	var all bytes.Buffer
	if err := WriteTables(&all, verdict.Analyze(r), "text"); err != nil || !strings.Contains(all.String(), "pps at services=999") {
		t.Errorf("the text lacks a table: %v", err)
	}
}

// TestPageSize: the page of every published run is below 1 MB.
func TestPageSize(t *testing.T) {
	for _, name := range []string{"lb-quick", "cc-wide", "sched-wide"} {
		p, err := New(opened(t, "../../results/"+name))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Write(&b, Frame{}); err != nil || b.Len() > 1_000_000 {
			t.Errorf("%s: %d bytes, %v", name, b.Len(), err)
		}
	}
}
