// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

var lookAt = flag.String("look", "", "a folder to leave the plots of invented series in, for looking at")

// seriesRun is an invented run whose trials of pps have raw series.
func seriesRun() *record.Run {
	r := synthetic.Golden()
	for i := range r.Trials {
		t := &r.Trials[i]
		t.Result.Series = []harness.Series{
			{Name: "cdf", X: []float64{1e-5 * float64(i%5+1), 1e-4, 1e-3}, Y: []float64{0, 0.5, 1}},
			{Name: "level", X: []float64{0.1, 0.2, 0.3}, Y: []float64{1e6, float64(i+1) * 1e6, 3e6}},
			{Name: "events", X: []float64{0.15}, Y: []float64{1}},
			{Name: "turns 1 b", X: []float64{0.001}, Y: []float64{0.003}},
			{Name: "turns 0 a", X: []float64{0, 0.005}, Y: []float64{0.002, 0.0000001}},
			{Name: "turns 0 other", X: []float64{0.003}, Y: []float64{0.001}},
		}
	}
	where := []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "0"}}
	r.Env.Plots = []harness.PlotSpec{
		{Name: "cdf", Title: "cdf", Kind: harness.PlotCDF, Series: "cdf", Workload: "pps", Unit: "pkt/s", LogX: true, Where: where},
		{Name: "series", Title: "series", Kind: harness.PlotSeries, Series: "level", Marks: "events", Workload: "pps", Unit: "pkt/s", Only: []string{"xdp-nat", "tc-nat"}, Where: where},
		{Name: "scatter", Title: "scatter", Kind: harness.PlotScatter, Workload: "pps", Unit: "pkt/s", Against: "cpu-ns/pkt", Where: []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "200000"}}},
		{Name: "timeline", Title: "timeline", Kind: harness.PlotTimeline, Series: "turns", Workload: "pps", Unit: "pkt/s", Class: "nat", Where: where},
	}
	return r
}

func TestSeriesPlots(t *testing.T) {
	a, remarks, err := Plots(seriesRun())
	if err != nil {
		t.Fatal(err)
	}
	b, _, _ := Plots(seriesRun())
	for i, p := range a {
		if !bytes.Equal(p.SVG, b[i].SVG) {
			t.Errorf("%s differs from one drawing to the next", p.Name)
		}
		if err := xml.Unmarshal(p.SVG, new(struct{})); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if *lookAt != "" {
			png, err := p.PNG()
			if err = errors.Join(err, os.WriteFile(filepath.Join(*lookAt, p.Name+".png"), png, 0o644)); err != nil {
				t.Error(err)
			}
		}
	}
	if len(a)+len(remarks) != 4 || len(a) < 3 {
		t.Errorf("%d plots, remarks %q", len(a), remarks)
	}
	for i, want := range []string{"share of values not above", "xdp-nat"} {
		if !bytes.Contains(a[i].SVG, []byte(want)) {
			t.Errorf("%s does not say %q", a[i].Name, want)
		}
	}
	if !bytes.Contains(a[len(a)-1].SVG, []byte("xdp-nat  CPU 1")) {
		t.Error("the timeline has no row for a CPU of a variant")
	}
	if bytes.Contains(a[1].SVG, []byte("nftables")) {
		t.Error("a variant was drawn that the plot leaves out")
	}
}

// A series that is not there leaves the plot out with a remark: a report must not fail for it.
func TestSeriesMissing(t *testing.T) {
	r := seriesRun()
	for i := range r.Trials {
		r.Trials[i].Result.Series = nil
	}
	plots, remarks, err := Plots(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plots {
		if p.Name != "scatter" {
			t.Errorf("%s was drawn", p.Name)
		}
	}
	if !strings.Contains(strings.Join(remarks, "\n"), "plot cdf: no trial has a series cdf") {
		t.Errorf("remarks %q", remarks)
	}
}
