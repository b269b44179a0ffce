// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/runner"
)

// waysItems are three runs of the family ways: in the second, only the variant that fails takes part.
func waysItems(t *testing.T) []benchItem {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"ways.yaml": waysYAML, "other.yaml": "name: alone\nextends: ./ways.yaml\nkeep: [other]\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []benchItem{
		{title: "counts", experiment: "./ways.yaml", target: harness.TargetHost, only: []string{"count"}},
		{title: "alone", experiment: "./other.yaml", target: harness.TargetHost},
		{title: "the rest", experiment: "./ways.yaml", target: harness.TargetHost, but: []string{"count"}},
		{title: "nothing", experiment: "./ways.yaml", target: harness.TargetHost, but: []string{"count", "more"}},
	}
}

// TestBench: the plan comes first, a run that fails does not stop the others, the exit code is the worst, and the last lines say what was
// found and where.
func TestBench(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a run on the host does")
	}
	kept, err := cache.Dir()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		way  string
		code int
		want []string
	}{
		{"", codeDone, []string{"- ways on host: ", "- alone on host: There is no cell"}},
		{"gate", codeFailed, []string{"- alone on host: Nothing was measured. (with errors)", "failed at gate: case IPv6"}},
		{"old", codeNothing, []string{"nothing could run here", "- alone on host: Nothing was measured. (with errors)"}},
	} {
		t.Run("way "+tt.way, func(t *testing.T) {
			items := waysItems(t)
			t.Setenv(cache.Env, kept)
			t.Setenv("WAY", tt.way)
			var out, errs bytes.Buffer
			f := runFlags{profile: "quick", out: "b", seed: 1, silence: time.Minute, fresh: true, wait: true}
			err := bench(t.Context(), streams{out: &out, err: &errs}, withDeaths(), f, items, time.Now)
			if code := codeOf(err); code != tt.code {
				t.Errorf("exit code %d, want %d: %v", code, tt.code, err)
			}
			text := out.String()
			lines := strings.Split(strings.TrimSpace(text), "\n")
			if !strings.HasPrefix(lines[0], "kxlab bench, profile quick: 3 runs, about ") || !strings.Contains(lines[1], "counts") || !strings.Contains(lines[1], "3 cells,   15 trials, about ") {
				t.Errorf("the plan is not first: %q", lines[:4])
			}
			for _, want := range append(tt.want, "== 3 of 3: the rest", "Read on: b/*/report.html") {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			if last := lines[max(0, len(lines)-10):]; !strings.Contains(strings.Join(last, "\n"), "Found in ") {
				t.Errorf("the last ten lines do not say what was found: %q", last)
			}
			if n := strings.Count(text, "\n") + strings.Count(errs.String(), "\n"); n > 150 {
				t.Errorf("%d lines", n)
			}
			for _, dir := range []string{"1-ways-host", "2-alone-host", "3-ways-host"} {
				if _, err := os.Stat(filepath.Join("b", dir, "env.json")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestBenchLines: what bench prints of its runs fits in 150 lines, whatever they hold.
func TestBenchLines(t *testing.T) {
	n := len(benchItems())
	// The plan, a heading, an empty line, the line about time and one of an error around each answer, the end, and a line a minute where
	// there is no terminal.
	if lines := n + 2 + firstBenchLines + (n-1)*benchLines + 4*n + n + 3 + 8; lines > 150 {
		t.Errorf("%d lines for %d runs", lines, n)
	}
}

// TestBenchPlan: what make bench runs, in how many cells, and how long it says that it takes on two processors.
func TestBenchPlan(t *testing.T) {
	runs, err := planBench(t.Context(), vocabulary(), runFlags{profile: "quick", out: "b", seed: 1}, benchItems())
	if err != nil {
		t.Fatal(err)
	}
	free, err := openProcessors()
	if err != nil {
		t.Fatal(err)
	}
	var all time.Duration
	host := map[string]bool{}
	for _, r := range runs {
		one := r.estimate
		if r.target == harness.TargetExact {
			one = one * time.Duration(cap(free)) / 2
		} else {
			for _, g := range r.plan.Groups {
				for _, b := range g.Blocks {
					host[b.Workload] = true
				}
			}
		}
		all += one
		t.Logf("%s: %d cells, %d trials, %v", r.title, r.plan.Cells(), r.plan.Trials(), one)
	}
	if all > 10*time.Minute+30*time.Second {
		t.Errorf("about %v in all, want 10 minutes and a half at most", all)
	}
	if first := runs[0]; first.estimate > time.Minute || first.target != harness.TargetHost {
		t.Errorf("the first answer is about %s, after %v", first.title, first.estimate)
	}
	whole := runs[0].plan.Experiment
	p, err := runner.NewPlan(whole, runner.Selection{Profile: "quick", Target: harness.TargetHost})
	if err != nil {
		t.Fatal(err)
	}
	if cells := runs[0].plan.Cells() + runs[1].plan.Cells(); cells != p.Cells() {
		t.Errorf("bench measures %d cells of lb on the host, profile quick has %d", cells, p.Cells())
	}
	var measured, spent time.Duration
	for _, r := range runs[:2] {
		for _, g := range r.plan.Groups {
			for _, b := range g.Blocks {
				measured += time.Duration(len(b.Cells)*b.Repeats) * b.Measure
			}
		}
		spent += r.estimate
	}
	if share := measured.Seconds() / spent.Seconds(); share < 0.7 {
		t.Errorf("%.0f %% of the time on the host is spent measuring, want 70", 100*share)
	}
}

// TestBenchRest: the rest of the time follows the runs that are over.
func TestBenchRest(t *testing.T) {
	runs := []*benchRun{{estimate: time.Minute}, {estimate: 2 * time.Minute}}
	for _, tt := range []struct{ spent, foreseen, want time.Duration }{
		{0, 0, 3 * time.Minute}, {time.Minute, time.Minute, 3 * time.Minute}, {2 * time.Minute, time.Minute, 6 * time.Minute},
		{time.Hour, time.Minute, 12 * time.Minute}, {time.Second, time.Minute, 90 * time.Second},
	} {
		if got := restOf(runs, tt.spent, tt.foreseen); got != tt.want {
			t.Errorf("after %v of %v: %v, want %v", tt.spent, tt.foreseen, got, tt.want)
		}
	}
}

// TestBenchError: a fault is worse than something that is lacking.
func TestBenchError(t *testing.T) {
	fault, lack := fmt.Errorf("it failed"), harness.Skip("no QEMU")
	for _, tt := range []struct {
		errs []error
		want int
	}{{[]error{nil, nil}, codeDone}, {[]error{lack, nil}, codeNothing}, {[]error{lack, fault, nil}, codeFailed}, {[]error{fault, lack}, codeFailed}} {
		var runs []*benchRun
		for _, err := range tt.errs {
			runs = append(runs, &benchRun{err: err})
		}
		if got := codeOf(benchError(runs)); got != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.errs, got, tt.want)
		}
	}
}
