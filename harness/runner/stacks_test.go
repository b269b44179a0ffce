// SPDX-License-Identifier: Apache-2.0

package runner_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

// recording is a runner.Recording that counts what is asked of it.
type recording struct{ windows, closed int }

func (r *recording) Begin() {}
func (r *recording) End()   { r.windows++ }
func (r *recording) Close() (harness.Stacks, error) {
	r.closed++
	return harness.Stacks{Windows: r.windows}, nil
}

// windowed is a fake whose trials have a window.
type windowed struct{ *fake }

func (w windowed) Prepare(ctx context.Context, g harness.Group) (harness.Stage, error) {
	_, err := w.fake.Prepare(ctx, g)
	return w, err
}

func (w windowed) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	b.Window()()
	return w.fake.Measure(ctx, c, b)
}

// TestStackJobs: one trial of each wanted cell is made, with a sampler of its own and no gate; a sampler that cannot be had is the reason.
func TestStackJobs(t *testing.T) {
	sel := runner.Selection{Profile: "quick"}
	cells := []string{"LB/workload=pps/class=nat/variant=a/services=1/flows=1", "LB/workload=pps/class=ipip/variant=b/services=1/flows=1"}
	jobs, err := runner.StackJobs(plan(t, sel), sel, 5, nil, cells...)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%d jobs: %v", len(jobs), err)
	}
	for _, c := range []struct {
		name  string
		lacks error
	}{{"sampled", nil}, {"refused", harness.Skip("this user may not open perf events")}} {
		f := newFake()
		var opened []*recording
		open := func(bool) (runner.Recording, error) {
			if c.lacks != nil {
				return nil, c.lacks
			}
			opened = append(opened, &recording{})
			return opened[len(opened)-1], nil
		}
		var report bytes.Buffer
		if err := runner.Sample(t.Context(), jobs[0], map[string]harness.Family{"lb": windowed{f}}, open, &report); err != nil {
			t.Fatal(err)
		}
		attempts, err := runner.ReadCounted(report.Bytes())
		if err != nil || len(attempts) != len(cells) {
			t.Fatalf("%s: %+v, %v", c.name, attempts, err)
		}
		if slices.ContainsFunc(f.log, func(did string) bool { return strings.HasPrefix(did, "check ") }) {
			t.Errorf("%s: a gate was checked: %v", c.name, f.log)
		}
		for i, a := range attempts {
			switch {
			case !slices.Contains(cells, a.Cell):
				t.Errorf("%s: a trial of %s", c.name, a.Cell)
			case c.lacks != nil && (a.Result.Stacks != nil || !strings.Contains(a.Invalid, "may not open perf events")):
				t.Errorf("refused: %+v", a)
			case c.lacks == nil && (a.Result.Stacks == nil || a.Result.Stacks.Windows != 1 || a.Result.Counted != nil || opened[i].closed != 1):
				t.Errorf("sampled: %+v of %+v", a, opened[i])
			}
		}
	}
	if _, err := runner.StackJobs(plan(t, sel), sel, 5, nil, "LB/none"); err == nil {
		t.Error("an unknown cell is taken")
	}
}

// TestNoSampler: other jobs never open a sampler, and their windows do nothing.
func TestNoSampler(t *testing.T) {
	open := func(bool) (runner.Recording, error) { return nil, errors.New("opened") }
	job := runner.Job{Experiment: experiment(), Selection: runner.Selection{Profile: "quick"}, Group: "services=1", Seed: 5}
	f := newFake()
	var report bytes.Buffer
	if err := runner.Sample(t.Context(), job, map[string]harness.Family{"lb": windowed{f}}, open, &report); err != nil || strings.Contains(report.String(), "opened") {
		t.Errorf("%v: %s", err, report.String())
	}
}
