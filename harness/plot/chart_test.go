// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestChartOfLines: a chart of an axis plot has each value that was measured with its interval, number of trials and cell, in the plot's unit,
// and the plot's axes.
func TestChartOfLines(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Plots = []harness.PlotSpec{{Name: "p", Title: "P", Workload: "newflow", Unit: "sec/pkt", X: "services", LogX: true, LogY: true}}
	plots, _, err := Plots(r)
	if err != nil || len(plots) != 1 || len(plots[0].Hits) > 0 {
		t.Fatalf("%v; %d hits beside a chart", err, len(plots[0].Hits))
	}
	c := plots[0].Chart
	x := ChartAxis{Label: "services", Log: true, Min: 1, Max: 10000, At: Values{1, 1000, 10000}}
	if diff := cmp.Diff(x, c.X); diff != "" || !c.Y.Log || !strings.HasSuffix(c.Y.Unit, "s/pkt") || c.Y.Time == 0 || c.Title != "P" || len(c.Notes) < 2 {
		t.Errorf("axes: %s; %+v", diff, c)
	}
	n := 0
	for _, l := range c.Lines {
		for i := range l.X {
			n++
			if !(l.Low[i] <= l.Y[i] && l.Y[i] <= l.High[i] && c.Y.Min <= l.Low[i] && l.High[i] <= c.Y.Max) || l.Trials[i] != 5 || !strings.Contains(l.Cells[i], "/variant="+l.Name+"/") {
				t.Errorf("point %d of %+v", i, l)
			}
		}
	}
	if ports := harness.Filter(c.Lines, func(l ChartLine) bool { return l.Name == "xdp-nat" }); n != 36 || len(ports) != 1 || ports[0].Colour != "d55e00" {
		t.Errorf("%d points, want those of 12 variants at three numbers of services; %+v", n, ports)
	}
}

// TestChartOfSeries: curves of several kinds have the points of their plots. Those of distributions are turned, so that shares are their X.
func TestChartOfSeries(t *testing.T) {
	plots, _, err := Plots(seriesRun())
	if err != nil {
		t.Fatal(err)
	}
	charts := map[string]*Chart{}
	for _, p := range plots {
		charts[p.Name] = p.Chart
	}
	if c := charts["cdf"]; !c.Turned || c.X.Max != 100 || !c.Y.Log || c.X.Unit != "%" || !slices.Equal(c.Lines[0].X, Values{0, 50, 100}) || len(c.Lines[0].Cells) != 1 {
		t.Errorf("distribution: %+v", c)
	}
	if c := charts["series"]; c.Turned || len(c.Lines) != 2 || !slices.Equal(c.Lines[0].X, Values{0.1, 0.2, 0.3}) || len(c.Marks) != 10 || c.Marks[0].X[0] != 0.15 {
		t.Errorf("series: %+v", c)
	}
	c := charts["timeline"]
	at := slices.IndexFunc(c.Strips, func(s ChartStrip) bool { return s.Name == "a" })
	if a := c.Strips[at]; !slices.Equal(a.Start, Values{0, 5}) || a.Long[0] != 2 || !strings.HasSuffix(c.Y.Names[a.Row], "CPU 0") || c.X.Unit != "ms" {
		t.Errorf("timeline: %+v of %+v", a, c)
	}
	if charts["scatter"] != nil {
		t.Error("a scatter plot has a chart")
	}
}

// TestValues: a number has as many digits as tables show of it.
func TestValues(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{{0, "0"}, {1234567, "1234567"}, {2916.49999, "2916.5"}, {2916.4999999, "2916.5"}, {0.1 + 0.2, "0.3"}, {math.NaN(), "null"}, {132649.4999, "132649"}, {1e300, "1e+300"}, {-1.23456789, "-1.2346"}} {
		if got, err := json.Marshal(Values{tt.v}); err != nil || string(got) != "["+tt.want+"]" {
			t.Errorf("%v: %s, %v; want %s", tt.v, got, err, tt.want)
		}
	}
	if _, err := json.Marshal(Values{1, math.Inf(1)}); err == nil || !strings.Contains(err.Error(), "value 1 is +Inf") {
		t.Errorf("an infinite value: %v", err)
	}
}
