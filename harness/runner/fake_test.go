// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

// experiment has a set-up axis, two workloads, a ceiling, and a profile that names a workload twice.
func experiment() harness.Experiment {
	setup := harness.Axis{Name: "services", Values: []string{"1", "1000"}, Setup: true}
	pps := []harness.MetricSpec{{Unit: "pkt/s", Better: "higher"}}
	return harness.Experiment{
		Name: "lb", Family: "lb", AA: "b",
		Variants: []harness.Variant{
			{Name: "a", Class: "nat"}, {Name: "b", Class: "ipip"}, {Name: "c", Class: harness.ClassCeiling},
		},
		Workloads: []harness.WorkloadSpec{
			{Name: "pps", Axes: []harness.Axis{setup, {Name: "flows", Values: []string{"1"}}}, Metrics: pps},
			{Name: "rr", Axes: []harness.Axis{setup}, Metrics: pps},
		},
		Profiles: []harness.Profile{{
			Name: "quick", Repeats: 3, Measure: time.Millisecond,
			Workloads: []harness.ProfileWorkload{
				{Name: "pps"},
				{Name: "pps", Axes: []harness.Axis{{Name: "flows", Values: []string{"1", "64"}}}, Only: []string{"b"}},
				{Name: "rr", Repeats: 2, Axes: []harness.Axis{{Name: "services", Values: []string{"1"}}}},
			},
		}},
	}
}

func plan(t *testing.T, s runner.Selection) *runner.Plan {
	t.Helper()
	if s.Profile == "" {
		s.Profile = "quick"
	}
	p, err := runner.NewPlan(experiment(), s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fake is a family, its stages and a recorder in one; hooks change what it does.
type fake struct {
	mu      sync.Mutex
	log     []string // what was asked of it, in order
	open    int      // stages not yet closed
	prepare func(harness.Group) error
	absent  map[string]error
	check   func(member string) error
	measure func(ctx context.Context, c harness.Cell, n int) (harness.Result, error) // n: how often asked before

	asked    map[string]int
	trials   []harness.Trial
	outcomes map[string]record.CellOutcome
	rejects  []string
	gates    []record.Gate
	members  [][]string
	recorder error // returned by Trial
	close    error // returned by Close
}

func newFake() *fake {
	return &fake{asked: map[string]int{}, outcomes: map[string]record.CellOutcome{}}
}

func (f *fake) Workloads() []string { return []string{"pps", "rr"} }
func (f *fake) Methods() []string   { return []string{"xdp"} }
func (f *fake) Axes() []string      { return []string{"services", "flows"} }

func (f *fake) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	if f.prepare != nil {
		if err := f.prepare(g); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, m := range g.Members {
		names = append(names, m.Name)
	}
	f.members = append(f.members, names)
	f.open++
	return f, nil
}

func (f *fake) Absent() map[string]error { return f.absent }

func (f *fake) Check(_ context.Context, member string) error {
	f.log = append(f.log, "check "+member)
	if f.check != nil {
		return f.check(member)
	}
	return nil
}

func (f *fake) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	name := c.BenchName()
	n := f.asked[name]
	f.asked[name]++
	f.log = append(f.log, "measure "+name)
	if f.measure != nil {
		return f.measure(ctx, c, n)
	}
	return result(), nil
}

func (f *fake) Close() error { f.open--; return f.close }

func result() harness.Result {
	return harness.Result{
		Iterations: 1, Measured: time.Millisecond, Metrics: []harness.Metric{{Unit: "pkt/s", Value: 1}},
	}
}

func (f *fake) Trial(t harness.Trial) error { f.trials = append(f.trials, t); return f.recorder }
func (f *fake) Outcome(o record.CellOutcome) error {
	if have, ok := f.outcomes[o.Cell]; ok && have.Outcome != o.Outcome {
		return fmt.Errorf("%s is %s and %s", o.Cell, have.Outcome, o.Outcome)
	}
	f.outcomes[o.Cell] = o
	return nil
}
func (f *fake) Reject(t harness.Trial, why string) error {
	f.rejects = append(f.rejects, t.Cell.Variant+": "+why)
	return nil
}
func (f *fake) Gate(g record.Gate) error        { f.gates = append(f.gates, g); return nil }
func (f *fake) Steal(time.Duration) error       { return nil }
func (f *fake) noSteal() (time.Duration, error) { return 0, nil }

// run runs a plan on the fake and checks that nothing was left set up.
func (f *fake) run(t *testing.T, ctx context.Context, p *runner.Plan) (runner.Summary, error) {
	t.Helper()
	sum, err := runner.Run(ctx, p, runner.Options{
		Family: f, Record: f, Seed: 7, Steal: f.noSteal,
	})
	if f.open != 0 {
		t.Errorf("%d stages left open", f.open)
	}
	checkOutcomes(t, f, p, sum, err)
	return sum, err
}

// cells lists the names of the trials' cells, sorted, each once.
func cells(trials []harness.Trial) []string {
	var out []string
	for _, tr := range trials {
		out = append(out, tr.Cell.BenchName())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkOutcomes wants one outcome a cell of a run that came to its end, the same in the record and in the summary.
func checkOutcomes(t *testing.T, f *fake, p *runner.Plan, sum runner.Summary, err error) {
	t.Helper()
	if err == nil && (len(sum.Outcomes) != p.Cells() || len(f.outcomes) != p.Cells()) {
		t.Errorf("%d outcomes, %d recorded, of %d cells", len(sum.Outcomes), len(f.outcomes), p.Cells())
	}
	for _, o := range sum.Outcomes {
		if f.outcomes[o.Cell] != o {
			t.Errorf("the summary says %+v, the record %+v", o, f.outcomes[o.Cell])
		}
	}
}

// of lists the cells that have an outcome, sorted.
func of(sum runner.Summary, o harness.Outcome) []string {
	var out []string
	for _, c := range sum.Outcomes {
		if c.Outcome == o {
			out = append(out, c.Cell)
		}
	}
	slices.Sort(out)
	return out
}
