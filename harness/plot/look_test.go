// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/vg"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// TestBeside: names of points hide neither a point nor each other, also where the points are close.
func TestBeside(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	bounds := vg.Rectangle{Max: vg.Point{X: 400, Y: 250}}
	for round := range 50 {
		var points, sizes []vg.Point
		for range 8 {
			points = append(points, vg.Point{X: vg.Length(200 + 40*rng.Float64()), Y: vg.Length(200 + 30*rng.Float64())})
			sizes = append(sizes, vg.Point{X: 40, Y: 9})
		}
		boxes := beside(points, sizes, bounds)
		for i, b := range boxes {
			for j, p := range points {
				if overlap(b, vg.Rectangle{Min: vg.Point{X: p.X - half, Y: p.Y - half}, Max: vg.Point{X: p.X + half, Y: p.Y + half}}) {
					t.Errorf("round %d: label %d is on marker %d", round, i, j)
				}
			}
			for j, o := range boxes[:i] {
				if overlap(b, o) {
					t.Errorf("round %d: label %d is on label %d", round, i, j)
				}
			}
		}
	}
}

// TestTimeTicks: a time has a unit that suits it, on an axis of many decades too, and an axis names no quantile.
func TestTimeTicks(t *testing.T) {
	var labels []string
	for _, tick := range (timeTicks{1e9}).Ticks(70, 140000) { // in ns
		if tick.Label != "" {
			labels = append(labels, tick.Label)
		}
	}
	if want := []string{"100 ns", "1 µs", "10 µs", "100 µs"}; !slices.Equal(labels, want) {
		t.Errorf("ticks %q, want %q", labels, want)
	}
	r := synthetic.Golden()
	r.Env.Plots = []harness.PlotSpec{{Name: "p", Workload: "newflow", Unit: "sec/pkt", X: "services", LogX: true, LogY: true, Labels: struct{ X, Y string }{Y: "time a packet (s)"}}}
	plots, _, err := Plots(r)
	if err != nil || len(plots) != 1 {
		t.Fatal(err)
	}
	for _, want := range []string{">time a packet<", ">1 µs<", ">10 µs<"} {
		if !bytes.Contains(plots[0].SVG, []byte(want)) {
			t.Errorf("the plot does not say %q", want)
		}
	}
	if bytes.Contains(plots[0].SVG, []byte("ns/pkt")) {
		t.Error("the axis names a unit beside those of its ticks")
	}
}

// TestOneValue: a plot of lines measured at one value of its axis has bars, whose subtitle names the value.
func TestOneValue(t *testing.T) {
	spec := harness.PlotSpec{Name: "x", X: "services"}
	at := func(values ...string) (out []*record.Sample) {
		for _, v := range values {
			out = append(out, &record.Sample{Cell: harness.Cell{Axes: []harness.AxisValue{{Name: "services", Value: v}}}})
		}
		return out
	}
	if x, single := onlyValue(at("1", "1"), spec); !single || x != "1" {
		t.Errorf("one value: %q, %v", x, single)
	}
	if _, single := onlyValue(at("1", "10"), spec); single {
		t.Error("two values are one")
	}
}

// TestWrap: lines break between words, none is lost, and a word that is too long stands alone.
func TestWrap(t *testing.T) {
	width := func(s string) vg.Length { return vg.Length(len(s)) }
	for text, want := range map[string]string{"a bc d\ne": "a bc/d/e", "longer a b": "longer/a b", "": ""} {
		if got := strings.Join(wrap(text, width, 4), "/"); got != want {
			t.Errorf("wrap(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestSubtitle: a plot says how long its trials measured, whatever its title says, and an axis of time names one unit.
func TestSubtitle(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Plots = []harness.PlotSpec{{Name: "p", Workload: "newflow", Unit: "sec/pkt", Where: []harness.AxisValue{{Name: "services", Value: "1"}}, Labels: struct{ X, Y string }{Y: "seconds"}}}
	for length, want := range map[time.Duration]string{0: "", 6 * time.Second: "; trials of 6 s", 304 * time.Millisecond: "; trials of 300 ms", 1240 * time.Millisecond: "; trials of 1.2 s"} {
		for i := range r.Trials {
			r.Trials[i].Result.Measured = length + time.Duration(i)*time.Microsecond
		}
		plots, remarks, err := Plots(r)
		if err != nil || len(plots) != 1 {
			t.Fatal(err, remarks)
		}
		if !bytes.Contains(plots[0].SVG, []byte(want)) || want == "" && bytes.Contains(plots[0].SVG, []byte("trials of")) {
			t.Errorf("trials of %v: the plot does not say %q", length, want)
		}
		if bytes.Contains(plots[0].SVG, []byte(">seconds")) {
			t.Error("the axis names a unit twice")
		}
	}
	for i := range r.Trials {
		if r.Trials[i].Repeat == 1 {
			r.Trials[i].Result.Measured = time.Second
		}
	}
	if plots, _, err := Plots(r); err != nil || bytes.Contains(plots[0].SVG, []byte("; trials of")) {
		t.Errorf("trials of 1 s and 6 s: %v", err)
	}
}
