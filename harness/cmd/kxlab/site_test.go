// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/site"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestSiteBadRuns: each run directory that cannot be read is named, and the site stays as it is; what is no run is passed over.
func TestSiteBadRuns(t *testing.T) {
	results, dir := t.TempDir(), filepath.Join(t.TempDir(), "site")
	good := filepath.Join(results, "good")
	if err := os.CopyFS(good, os.DirFS("../../../results/sched-pipe")); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(good, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	run := func(name string, files map[string][]byte) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(results, name), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, data := range files {
			if err := os.WriteFile(filepath.Join(results, name, file), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	env, bench, samples := read("env.json"), read("bench.txt"), read("samples.jsonl")
	run("notes", map[string][]byte{"readme": nil}) // no run
	run("ended", map[string][]byte{"env.json": bytes.Replace(env, []byte(`"complete": true`), []byte(`"complete": false`), 1),
		"bench.txt": bench[:len(bench)-10], "samples.jsonl": samples})

	if code, out, errs := try(t, "site", dir, "--results", results); code != codeDone || !strings.Contains(out, "of 2 runs: "+filepath.Join(dir, "index.html")) {
		t.Fatalf("code %d, %s%s", code, out, errs)
	}
	page, err := os.ReadFile(filepath.Join(dir, "run-ended.html"))
	if err != nil || !bytes.Contains(page, []byte("This run is incomplete")) || !bytes.Contains(page, []byte("the last line is torn and was left out")) {
		t.Errorf("the page of a run that ended early: %v", err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}

	run("damaged", map[string][]byte{"env.json": env, "bench.txt": bench[:len(bench)/2], "samples.jsonl": samples})
	run("newer", map[string][]byte{"env.json": bytes.Replace(env, []byte(`"schema": 1`), []byte(`"schema": 9`), 1)})
	run("foreign", map[string][]byte{"env.json": []byte(`{"tool": "another"}`)})
	run("headless", map[string][]byte{"bench.txt": bench, "samples.jsonl": samples})
	code, _, errs := try(t, "site", dir, "--results", results)
	for _, want := range []string{"headless: not a run directory", "4 of 6 runs cannot be read, and the site stays as it is", "damaged: run directory is damaged: bench.txt ends in the middle",
		"newer: run directory of another version: schema 9, this program reads 1", "foreign: not a run directory: env.json is not of kxlab"} {
		if !strings.Contains(errs, want) {
			t.Errorf("it does not say %q: %s", want, errs)
		}
	}
	if after, err := os.ReadFile(filepath.Join(dir, "index.html")); code != codeFailed || err != nil || !bytes.Equal(before, after) {
		t.Errorf("code %d; the site changed: %v", code, err)
	}

	// A folder that is not a site's is refused before anything is read, and keeps what it has.
	if code, _, errs := try(t, "site", results, "--results", results); code != codeFailed || !strings.Contains(errs, "it has no .kxlab-site") {
		t.Errorf("code %d, %s", code, errs)
	}
	if code, _, errs := try(t, "site", dir, "--results", t.TempDir()); code != codeFailed || !strings.Contains(errs, "has no run directory") {
		t.Errorf("code %d, %s", code, errs)
	}
	if code, _, _ := try(t, "site"); code != codeUsage {
		t.Errorf("without a folder: code %d", code)
	}
}

// TestComplement: a record from before a definition named a baseline and needs is shown with those of today.
func TestComplement(t *testing.T) {
	r, err := openRun(streams{out: os.Stdout, err: os.Stderr, quiet: true}, "../../../results/cc-swap")
	if err != nil {
		t.Fatal(err)
	}
	if r.Env.Baseline != "cubic" || len(r.Env.Answers) == 0 || r.Env.Ask == "" || r.Env.AnswerPlot == "" {
		t.Errorf("baseline %q, %d answers, ask %q, plot %q", r.Env.Baseline, len(r.Env.Answers), r.Env.Ask, r.Env.AnswerPlot)
	}
	now := r.Env.Answers
	own := []harness.Answer{{Need: "mine"}}
	for _, tt := range []struct {
		what, experiment string
		command          []string
		want             []harness.Answer
	}{
		{"needs of an older version", "cc", []string{"kxlab", "run", "cc"}, now},
		{"a definition of the user's own", "cc", []string{"kxlab", "run", "./cc.yaml"}, own},
		{"a comparison of two", "cc", []string{"kxlab", "ab", "cubic", "bbr"}, own},
		{"an experiment of another name", "mine", []string{"kxlab", "run", "mine"}, own},
	} {
		r.Env.Experiment, r.Env.Command, r.Env.Answers = tt.experiment, tt.command, own
		if complement(&r.Env); !cmp.Equal(r.Env.Answers, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, r.Env.Answers, tt.want)
		}
	}
}

// TestFindCommits: a commit that the repository lacks is marked if it has that of another run; a run of no known commit never is.
func TestFindCommits(t *testing.T) {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skip("the sources are in no git repository")
	}
	head := strings.TrimSpace(string(out))
	for _, tt := range []struct {
		commits string
		lost    string
	}{
		{head + " 1111111 none " + head + "+dirty", "false true false false"},
		{"1111111 2222222", "false false"}, // another repository
		{"none", "false"},
	} {
		var runs []site.Run
		for commit := range strings.FieldsSeq(tt.commits) {
			r := &record.Run{}
			if commit != "none" {
				r.Env.Commit = commit
			}
			runs = append(runs, site.Run{Analysis: &verdict.Analysis{Run: r}})
		}
		findCommits(context.Background(), runs)
		lost := strings.Join(harness.Map(runs, func(r site.Run) string { return fmt.Sprint(r.Lost) }), " ")
		if lost != tt.lost {
			t.Errorf("%s: lost %s, want %s", tt.commits, lost, tt.lost)
		}
	}
}
