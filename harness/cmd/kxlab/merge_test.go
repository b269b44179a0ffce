// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/record"
)

// TestClearHalf: what a killed merge left is removed, and no other run.
func TestClearHalf(t *testing.T) {
	for name, tt := range map[string]struct {
		command, partial string
		finish, writes   bool // writes: a process still does
		gone, fails      bool
	}{
		"half":     {command: "merge", gone: true},
		"a run":    {command: "run"},
		"partial":  {command: "merge", partial: "1 of 2 shards"},
		"complete": {command: "merge", finish: true},
		"writing":  {command: "merge", writes: true, fails: true},
	} {
		for _, runs := range []int{1, 2} {
			dir := t.TempDir()
			p := &fleet.Plan{Runs: []fleet.Run{{Name: "lb"}, {Name: "cc"}}[:runs]}
			run := dir
			if runs > 1 {
				run = filepath.Join(dir, "cc")
			}
			w, err := record.Create(run, record.Env{Experiment: "lb", Target: "exact", Kernel: "7.2", CPU: "x", Command: []string{"kxlab", tt.command}, Partial: tt.partial})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.finish:
				err = w.Finish()
			case !tt.writes:
				err = w.Close()
			}
			if cerr := clearHalf(dir, p); err != nil || (cerr != nil) != tt.fails {
				t.Errorf("%s, %d runs: %v, %v", name, runs, err, cerr)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(dir); err != nil || (len(left) == 0) != tt.gone {
				t.Errorf("%s, %d runs: left %v, %v", name, runs, left, err)
			}
		}
	}
}

// TestPlanSays: plan counts empty shards in one line, names a kernel that is not here, and overwrites nothing.
func TestPlanSays(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{"plan", "jit", "--profile", "smoke", "--shards", "3", "--kernel", "9.99", "--out", "plan.json"}
	code, _, errs := try(t, args...)
	for _, want := range []string{"kernel 9.99 is not on this machine", "shard 1 of 3: 1 guest, ", "2 of 3 shards are empty: the plan has 1 guest, and no guest is cut\n"} {
		if code != codeDone || !strings.Contains(errs, want) {
			t.Errorf("code %d, want %q: %s", code, want, errs)
		}
	}
	if code, _, errs := try(t, args...); code != codeFailed || !strings.Contains(errs, "write plan.json: it is there already") {
		t.Errorf("a second plan: code %d: %s", code, errs)
	}
	if code, _, errs := try(t, "run", "--plan", "/dev/zero", "--shard", "1"); code != codeUsage || !strings.Contains(errs, "/dev/zero is not a regular file") {
		t.Errorf("a plan that is none: code %d: %s", code, errs)
	}
	t.Setenv("KXLAB_PLAN", "plan.json")
	if code, _, errs := try(t, "run"); code != codeUsage || !strings.Contains(errs, "or set JOB_COMPLETION_INDEX") {
		t.Errorf("a plan from the environment: code %d: %s", code, errs)
	}
}

// TestPlanKernels: --kernels and --kernel are one flag of plan, which its help names once.
func TestPlanKernels(t *testing.T) {
	t.Chdir(t.TempDir())
	var plans []string
	for _, words := range [][]string{{"--kernel", "9.98,9.99"}, {"--kernels", "9.98,9.99"}, {"--kernel=9.98", "--kernels=9.99"}} {
		code, out, errs := try(t, append([]string{"plan", "jit", "--profile", "smoke"}, words...)...)
		if code != codeDone || !strings.Contains(out, `"name": "jit-9.98"`) || !strings.Contains(out, `"name": "jit-9.99"`) {
			t.Errorf("%q: code %d: %s%s", words, code, out, errs)
		}
		plans = append(plans, out)
	}
	if plans[1] != plans[0] || plans[2] != plans[0] {
		t.Error("the plans differ")
	}
	if _, out, _ := try(t, "plan", "--help"); strings.Count(out, "--kernels") != 1 {
		t.Errorf("help: %s", out)
	}
}
