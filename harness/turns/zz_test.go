package turns_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb"
)

func TestZZ(t *testing.T) {
	f := lb.Family{Loader: bpfobj.New(bpfobj.Options{})}
	v := harness.Variant{Name: "xdp-dsr", Class: "dsr", Attach: "xdp", Object: "lb/xdp_dsr", Knobs: []harness.Knob{{Name: "new_flows_max", Value: 0}}}
	w := os.Getenv("W")
	for k := range 4 {
		g := harness.Group{Axes: []harness.AxisValue{{Name: "ip", Value: "4"}, {Name: "services", Value: "1"}}, Members: []harness.Member{{Name: "A", Variant: v}, {Name: "B", Variant: v}}}
		b := time.Now()
		if k%2 == 1 {
			g.Members[0], g.Members[1] = g.Members[1], g.Members[0]
		}
		st, err := f.Prepare(context.Background(), g)
		if err != nil {
			t.Fatal(err)
		}
		set := time.Since(b)
		var r []float64
		b = time.Now()
		cell := harness.Cell{Workload: w}
		if w == "pps" {
			cell.Axes = []harness.AxisValue{{Name: "rate", Value: os.Getenv("RATE")}}
		}
		for i := range 10 {
			var x [2]float64
			for s := range 2 {
				s := (s + i) & 1
				cell.Variant = "AB"[s : s+1]
				res, err := st.Measure(context.Background(), cell, harness.Budget{Warm: 30 * time.Millisecond, Measure: 150 * time.Millisecond, Seed: uint64(i)})
				if err != nil || res.Invalid != "" {
					fmt.Println(err, res.Invalid)
					continue
				}
				x[s] = res.Metrics[0].Value
				if os.Getenv("CPU") != "" {
					x[s] = res.Metrics[3].Value
				}
				if os.Getenv("RATE") != "" && os.Getenv("RATE") != "0" {
					x[s] = res.Metrics[1].Value
				}
			}
			if x[0] > 0 && x[1] > 0 {
				r = append(r, 100*math.Log(x[1]/x[0]))
			}
		}
		m, sd := stat.MeanStdDev(r, nil)
		fmt.Printf("setup %v turns %v mean %+.2f sd %.2f %.1f\n", set, time.Since(b), m, sd, r)
		st.Close()
	}
}
