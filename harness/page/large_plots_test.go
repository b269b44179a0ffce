// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// large is an invented run of so many variants at so many numbers of services.
func large(variants, services int) *record.Run {
	r := synthetic.Golden()
	r.Trials = nil
	for len(r.Env.Variants) < variants {
		v := r.Env.Variants[0]
		v.Name = fmt.Sprint("iptables", len(r.Env.Variants))
		r.Env.Variants = append(r.Env.Variants, v)
	}
	for i := range services {
		for _, v := range r.Env.Variants[:variants] {
			for _, m := range []struct{ workload, unit string }{{"pps", "pkt/s"}, {"newflow", "sec/pkt"}} {
				c := harness.Cell{Experiment: "lb", Workload: m.workload, Class: v.Class, Variant: v.Name, Axes: []harness.AxisValue{{Name: "services", Value: fmt.Sprint(1 + 3*i)}}}
				r.Trials = append(r.Trials, harness.Trial{Cell: c, Result: harness.Result{Metrics: []harness.Metric{{Unit: m.unit, Value: 1e-6 * float64(1000+i)}}}})
			}
		}
	}
	r.Env.Plots[2].Class, r.Env.Plots[2].Where, r.Env.Plots[2].LogX = "", nil, false
	return r
}

// TestLargePlots: plots of 10,000 cells can be read: they leave most values out and say so, no label stands on another, and the page stays
// below 1 MB.
func TestLargePlots(t *testing.T) {
	tick := regexp.MustCompile(`<text textLength="([\d.]+)"[^>]*? x="([\d.]+)" y="-([\d.]+)"[^>]*>[\d,]+</text>`)
	for _, tt := range []struct{ variants, services int }{{3, 1667}, {12, 417}, {500, 10}} {
		r := large(tt.variants, tt.services)
		if n := len(r.Trials); n < 10_000 {
			t.Fatalf("%d cells", n)
		}
		var b bytes.Buffer
		if err := writePage(&b, r); err != nil || b.Len() > 1_000_000 {
			t.Errorf("%d variants: the page has %d bytes, %v", tt.variants, b.Len(), err)
		}
		plots, _, err := plot.Plots(r)
		if err != nil || len(plots) < 2 {
			t.Fatalf("%d plots, %v", len(plots), err)
		}
		for _, p := range plots {
			if tt.variants < 100 && p.Name == "pps" { // bars at one number of services
				continue
			}
			if !strings.Contains(string(p.SVG), "left out, as the plot could not be read: ") {
				t.Errorf("%d variants, %s: it does not say what is left out", tt.variants, p.Name)
			}
			if p.Name == "pps" {
				continue
			}
			labels := tick.FindAllStringSubmatch(string(p.SVG), -1)
			if len(labels) < 3 {
				t.Errorf("%d variants, %s: %d labels of ticks", tt.variants, p.Name, len(labels))
			}
			ends := map[string]float64{} // of the label before it in a row
			for _, m := range labels {
				width, _ := strconv.ParseFloat(m[1], 64)
				x, _ := strconv.ParseFloat(m[2], 64)
				if end, ok := ends[m[3]]; ok && x < end {
					t.Errorf("%d variants, %s: the label %s stands on another", tt.variants, p.Name, m[0])
				}
				ends[m[3]] = x + width
			}
		}
	}
}
