// SPDX-License-Identifier: Apache-2.0

package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// SYNTHETIC DATA. Everything that this file makes is invented, from a seed, to test the statistics and the looks. It is
// no measurement and must never be published as one.

// A Spec describes an invented run.
type Spec struct {
	Seed    uint64
	Repeats int
	Noise   float64            // sigma of a trial's log
	Between float64            // sigma of a cell's shift from run to run
	Drift   float64            // factor on the machine's speed
	Slow    map[string]float64 // factor on the cost of a variant
	object  string             // hash of the slow variants' object
}

var synthVariants = []struct {
	name, class, object string
	cost                float64 // seconds a packet
}{
	{"iptables", "nat", "", 660e-9}, {"iptables-nft", "nat", "", 820e-9}, {"nftables", "nat", "", 700e-9},
	{"tc-nat", "nat", "lb/tc_nat", 420e-9}, {"xdp-nat", "nat", "lb/xdp_nat", 140e-9},
	{"xdp-ipip", "ipip", "lb/xdp_ipip", 150e-9}, {"xdp-ipip+aa", "ipip", "lb/xdp_ipip", 150e-9},
	{"tc-ipip", "ipip", "lb/tc_ipip", 450e-9}, {"xdp-jet", "ipip", "lb/xdp_jet", 135e-9},
	{"xdp-dsr", "dsr", "lb/xdp_dsr", 110e-9},
	{"forward", "ceiling", "", 520e-9}, {"xdp-redirect", "ceiling", "lb/xdp_redirect", 95e-9},
	{"xdp-tx", "ceiling", "lb/xdp_tx", 72e-9},
}

func synthEnv() record.Env {
	e := record.Env{
		Schema: record.Schema, Tool: "kxlab", Complete: true,
		Experiment: "lb", Target: "host", Kernel: "0.0-synthetic", CPU: "invented CPU", GOOS: "linux", GOARCH: "amd64",
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Updated: time.Date(2026, 1, 2, 3, 9, 5, 0, time.UTC),
		Commit: "0000000", Profile: "quick", Seed: 1, MeasuredSec: 240, TotalSec: 300, AA: []string{"xdp-ipip"},
		Title: "SYNTHETIC load balancers", Question: "What does the report look like? Nothing here was measured.",
		Objects: map[string]string{},
		Command: []string{"kxlab", "run", "lb"},
		Workloads: []harness.WorkloadSpec{
			{Name: "pps", About: "established flows", Metrics: []harness.MetricSpec{
				{Unit: "pkt/s", Better: "higher", About: "packets that arrived"},
				{Unit: "cpu-ns/pkt", Better: "lower", About: "CPU time of the balancer"}}},
			{Name: "newflow", About: "first packets", Metrics: []harness.MetricSpec{
				{Unit: "sec/pkt", Better: "lower", About: "time of a first packet"}}},
		},
		Plots: []harness.PlotSpec{
			{Name: "pps", Title: "Packets a second, one core", Workload: "pps", Unit: "pkt/s",
				Where: []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "0"}}},
			{Name: "newflow", Title: "Cost of a first packet", Workload: "newflow", Unit: "sec/pkt", X: "services", LogX: true, LogY: true},
			{Name: "pps-services", Title: "Packets a second while services grow", Workload: "pps", Unit: "pkt/s", X: "services", LogX: true,
				Class: "nat", Where: []harness.AxisValue{{Name: "rate", Value: "0"}}},
		},
	}
	for _, v := range synthVariants {
		if v.name == "xdp-ipip+aa" {
			continue
		}
		e.Variants = append(e.Variants, harness.Variant{Name: v.name, Class: v.class, Object: v.object, Attach: "xdp",
			About: "invented, for tests"})
		if v.object != "" {
			e.Objects[v.object] = "sha256:1"
		}
	}
	return e
}

// Run makes an invented run in memory.
func (s Spec) Run() *record.Run {
	rng := rand.New(rand.NewPCG(s.Seed, 1))
	r := &record.Run{Dir: fmt.Sprintf("synthetic-%d", s.Seed), Env: synthEnv()}
	if s.Drift == 0 {
		s.Drift = 1
	}
	type cell struct {
		c    harness.Cell
		cost float64
	}
	var cells []cell
	for _, v := range synthVariants {
		slow := s.Slow[v.name]
		if slow == 0 {
			slow = 1
		} else if v.object != "" {
			r.Env.Objects[v.object] = "sha256:2"
		}
		for _, services := range []string{"1", "1000", "10000"} {
			n := 1.0
			fmt.Sscan(services, &n)
			grow := 1.0
			if v.name == "iptables" || v.name == "iptables-nft" {
				grow += n / 700
			}
			base := v.cost * slow * s.Drift
			shift := func() float64 { return math.Exp(rng.NormFloat64() * s.Between) }
			mk := func(w string, axes ...harness.AxisValue) harness.Cell {
				return harness.Cell{Experiment: "lb", Workload: w, Class: v.class, Variant: v.name,
					Axes: append([]harness.AxisValue{{Name: "services", Value: services}}, axes...)}
			}
			cells = append(cells, cell{mk("pps", harness.AxisValue{Name: "rate", Value: "0"}), base * shift()})
			cells = append(cells, cell{mk("newflow"), 2.5 * base * grow * shift()})
			if services == "1" {
				cells = append(cells, cell{mk("pps", harness.AxisValue{Name: "rate", Value: "200000"}), base * shift()})
			}
		}
	}
	for rep := range s.Repeats {
		for _, c := range cells {
			cost := c.cost * math.Exp(rng.NormFloat64()*s.Noise)
			t := harness.Trial{Cell: c.c, Repeat: rep, Result: harness.Result{Iterations: 1}}
			switch {
			case c.c.Workload == "newflow":
				t.Result.Metrics = []harness.Metric{{Unit: "sec/pkt", Value: cost}}
			case c.c.Axis("rate") != "0":
				t.Result.Metrics = []harness.Metric{{Unit: "cpu-ns/pkt", Value: cost * 1e9}}
			default:
				t.Result.Metrics = []harness.Metric{{Unit: "pkt/s", Value: 1 / cost}}
			}
			r.Trials = append(r.Trials, t)
		}
	}
	r.Env.Plan, r.Env.Done = len(r.Trials), len(r.Trials)
	r.Env.Outcomes = []record.CellOutcome{{Outcome: harness.OutcomeNotSupported, Where: harness.AtSetup, Cell: "LB/workload=pps/class=ipip/variant=ipvs-ipip/services=1/rate=0", Reason: "kernel has no IPVS"}}
	r.Env.Rejected = []record.Rejected{{Cell: cells[0].c.BenchName(), Repeat: 2, Reason: "0.4 % of packets unaccounted for"}}
	r.Env.Gates = []record.Gate{{Variant: "xdp-nat", Passed: true, Detail: "31 cases"}}
	return r
}

func Golden() *record.Run {
	r := Spec{Seed: 1, Repeats: 5, Noise: 0.02}.Run()
	r.Env.Claims = TestClaims()
	return r
}

func TestClaims() []harness.Claim {
	flat := []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "0"}}
	sel := func(v string) harness.CellSelector {
		return harness.CellSelector{Workload: "pps", Variant: v, Where: flat}
	}
	mk := func(id, rel string, figure float64, num, den string) harness.Claim {
		return harness.Claim{ID: id, Experiment: "lb", Text: "invented", Source: "nobody", Measured: "nothing", Figure: figure,
			Relation: rel, Unit: "pkt/s", Numerator: sel(num), Denominator: sel(den)}
	}
	return []harness.Claim{
		mk("four", ">=", 4, "xdp-nat", "iptables"), mk("six", ">=", 6, "xdp-nat", "iptables"),
		mk("near", ">=", 4.71, "xdp-nat", "iptables"), mk("at-most", "<=", 2, "xdp-nat", "iptables"),
		mk("absent", ">=", 2, "ipvs-ipip", "iptables"), mk("unmeasured", ">=", 2, "nobody", "iptables"),
		{ID: "cannot", Text: "invented", Source: "nobody", Measured: "nothing", Cannot: "no such machine"},
	}
}

// equalPair gives the second of the A/A pair the digits of the first, as almost on target exact.
func equalPair(r *record.Run) {
	first := map[string]*harness.Trial{}
	for i := range r.Trials {
		t := &r.Trials[i]
		k := fmt.Sprint(t.Cell.Workload, strings.TrimSuffix(t.Cell.Variant, harness.SuffixAA), t.Cell.Axes, t.Repeat)
		if o := first[k]; o != nil {
			t.Result.Metrics = append([]harness.Metric(nil), o.Result.Metrics...)
		}
		first[k] = t
	}
}

// ExactPair makes two invented runs on target exact: the same seeds, where xdp-jet is slower by a factor and the digits of
// all others move by little with each seed, as they do when another program is loaded.
func ExactPair(seed uint64, slow float64, little float64) (a, b *record.Run) {
	a = Spec{Seed: seed, Repeats: 3, Noise: 0.02}.Run()
	b = Spec{Seed: seed, Repeats: 3, Noise: 0.02}.Run()
	for _, r := range []*record.Run{a, b} {
		r.Env.Target = "exact"
		equalPair(r)
	}
	for i := range b.Trials {
		t := &b.Trials[i]
		f := 1 + little*math.Sin(float64(i)+float64(seed))
		if t.Cell.Variant == "xdp-jet" {
			f *= slow
		}
		for j := range t.Result.Metrics {
			if m := &t.Result.Metrics[j]; m.Unit == "pkt/s" {
				m.Value /= f
			} else {
				m.Value *= f
			}
		}
	}
	return a, b
}
