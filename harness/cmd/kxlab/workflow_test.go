// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness/fleet"
	"github.com/kxlab/kxlab/harness/labtest"
)

// A workflow is what the test reads of a GitHub workflow.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		Needs    yaml.Node
		Outputs  map[string]string
		Strategy struct{ Matrix map[string]string }
		Steps    []workflowStep
	}
}

type workflowStep struct {
	ID, Uses, Run string
	Env           map[string]string
	With          map[string]string
}

// TestMatrixWorkflow runs the steps of deploy/github/kxlab-matrix.yml as GitHub would: the plan, a job for each value of the matrix, and the
// merge, with artifacts as folders. The matrix has each shard of the plan once. In make soak guests run, and the result is that of one run;
// otherwise run and merge are called with --help, which checks their words and flags.
func TestMatrixWorkflow(t *testing.T) {
	w := readWorkflow(t)
	for name, job := range w.Jobs {
		for i, s := range job.Steps {
			if (s.Run == "") == (s.Uses == "") || strings.Contains(s.Run, "${{") {
				t.Errorf("job %s, step %d has not one of run and uses, or an expression in its command, which then is no shell script", name, i)
			}
		}
	}
	soak := labtest.Soak()
	const noFetch = `if [ "$1" = vm ]; then set -- "$@" --help; fi`
	help := noFetch + `
case $1 in run) mkdir kxlab-matrix/shard && touch kxlab-matrix/shard/shard.json; set -- "$@" --help ;; merge) mkdir merged; set -- "$@" --help ;; esac`
	if soak {
		needsGuests(t)
		help = noFetch
	}
	what := "cc --profile smoke --variants reno,bpf-cubic --repeat 2 --seed 7"
	r := &jobRunner{tools: t.TempDir(), artifacts: t.TempDir(), w: w, env: []string{"SHARDS=2", "EXPERIMENTS=" + what}}
	if w.Env["SHARDS"] == "" || !strings.Contains(w.Env["EXPERIMENTS"], "inputs.experiments") {
		t.Errorf("the environment is %v", w.Env)
	}
	shim := fmt.Sprintf("#!/bin/sh\n%s\nBE_KXLAB=1 KXLAB_FRESH=false exec %q \"$@\"\n", help, os.Args[0])
	if err := os.WriteFile(filepath.Join(r.tools, "kxlab"), []byte(shim), 0o755); err != nil {
		t.Fatal(err)
	}
	outputs, _, _ := r.run(t, "plan", "")
	if got, want := w.Jobs["plan"].Outputs["shards"], "${{ steps.plan.outputs.shards }}"; got != want {
		t.Errorf("the plan's output is %s, want %s", got, want)
	}
	if got, want := w.Jobs["shard"].Strategy.Matrix["shard"], "${{ fromJSON(needs.plan.outputs.shards) }}"; got != want {
		t.Errorf("the matrix is %s, want %s", got, want)
	}
	list, _ := strings.CutPrefix(strings.TrimSpace(outputs), "shards=")
	var shards []int
	if err := json.Unmarshal([]byte(list), &shards); err != nil {
		t.Fatalf("output %q: %v", outputs, err)
	}
	p, err := fleet.ReadPlan(filepath.Join(r.artifacts, "plan", "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(shards) != "[1 2]" || p.Shards != 2 {
		t.Errorf("the matrix is %v, and the plan has %d shards", shards, p.Shards)
	}
	for _, n := range shards {
		if _, _, failed := r.run(t, "shard", fmt.Sprint(n)); failed {
			t.Errorf("shard %d failed", n)
		}
	}
	_, summary, failed := r.run(t, "merge", "")
	if failed {
		t.Errorf("the merge failed: %s", summary)
	}
	if !soak {
		return
	}
	cmd, errs := command(t, r.artifacts, append([]string{"run", "--target", "exact", "--fresh=false", "--out", "whole"}, strings.Fields(what)...)...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	got, _ := os.ReadFile(filepath.Join(r.artifacts, "kxlab", "bench.txt"))
	want, err := os.ReadFile(filepath.Join(r.artifacts, "whole", "bench.txt"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the merge is not the run of one machine: %v", err)
	}
	if !strings.Contains(summary, "bpf-cubic") {
		t.Errorf("the summary is %q", summary)
	}
}

func readWorkflow(t *testing.T) (w workflow) {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/github/kxlab-matrix.yml")
	if err == nil {
		err = yaml.Unmarshal(text, &w)
	}
	if err != nil || len(w.Jobs) != 3 {
		t.Fatalf("%d jobs, %v", len(w.Jobs), err)
	}
	return w
}

// TestMatrixFaults: if shards are missing, the summary says which, and the job fails.
func TestMatrixFaults(t *testing.T) {
	r := &jobRunner{tools: t.TempDir(), artifacts: t.TempDir(), w: readWorkflow(t)}
	if err := os.Mkdir(filepath.Join(r.artifacts, "shard-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.tools, "kxlab"), []byte("#!/bin/sh\necho shard 2 of 2 is missing >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, summary, failed := r.run(t, "merge", ""); summary != "```\nshard 2 of 2 is missing\n```\n" || !failed {
		t.Errorf("failed is %t, and the summary %q", failed, summary)
	}
}

// A jobRunner runs jobs of a workflow on this machine.
type jobRunner struct {
	tools, artifacts string
	w                workflow
	env              []string
}

// run runs a job's steps in a folder of its own, and returns what it wrote as outputs and as summary. The first command that fails
// ends the job. Of Actions it knows artifacts.
func (r *jobRunner) run(t *testing.T, name, shard string) (outputs, summary string, failed bool) {
	t.Helper()
	dir := t.TempDir()
	of := strings.NewReplacer("${{ matrix.shard }}", shard)
	for _, s := range r.w.Jobs[name].Steps {
		if failed {
			break
		}
		path := filepath.Join(dir, s.With["path"])
		action, _, _ := strings.Cut(s.Uses, "@")
		switch {
		case s.Run != "":
			env := append(os.Environ(), r.env...)
			for k, v := range s.Env {
				env = append(env, k+"="+of.Replace(v))
			}
			cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", s.Run)
			cmd.Dir = dir
			cmd.Env = append(env, "PATH="+r.tools+":"+os.Getenv("PATH"), "GITHUB_OUTPUT="+filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Logf("job %s: %s: %v\n%s", name, s.Run, err, out)
				failed = true
			}
		case action == "actions/upload-artifact":
			to := filepath.Join(r.artifacts, of.Replace(s.With["name"]))
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				to = filepath.Join(to, filepath.Base(path))
			}
			copyTree(t, path, to)
		case action == "actions/download-artifact" && s.With["pattern"] == "":
			copyTree(t, filepath.Join(r.artifacts, s.With["name"]), path)
		case action == "actions/download-artifact":
			found, err := filepath.Glob(filepath.Join(r.artifacts, s.With["pattern"]))
			if err != nil || len(found) == 0 {
				t.Fatalf("no artifact is called %s: %v", s.With["pattern"], err)
			}
			for _, f := range found {
				copyTree(t, f, filepath.Join(path, filepath.Base(f)))
			}
		case action != "kxlab/kxlab/deploy/github/setup" && action != "actions/checkout":
			t.Errorf("job %s: the test does not know %s", name, s.Uses)
		}
	}
	output, _ := os.ReadFile(filepath.Join(dir, "output"))
	text, _ := os.ReadFile(filepath.Join(dir, "summary"))
	return string(output), string(text), failed
}

// copyTree copies a file or a folder's content.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(to), 0o755)
	if err == nil {
		var out []byte
		if out, err = exec.Command("cp", "-rT", from, to).CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
