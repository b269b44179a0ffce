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

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/record"
)

// TestShards: a plan in 1, 2 and 7 shards gives the record of one run, to the byte; a shard that is killed goes on; one that is lost is named, and
// the others can be put together without it.
func TestShards(t *testing.T) {
	needsGuests(t)
	dir := t.TempDir()
	fresh := fmt.Sprintf("--fresh=%v", labtest.Soak())
	what := []string{"cc", "--profile", "smoke", "--variants", "reno,bpf-cubic", "--repeat", "2", "--seed", "7"}
	tools := t.TempDir()
	// Stands in for kxlab-store, whose places are folders here.
	store := "#!/bin/sh\nfrom=${2#file://} to=${3#file://}\nmkdir -p \"${to%/*}\" && [ -e \"$from\" ] && cp -rT \"$from\" \"$to\"\n"
	if err := os.WriteFile(filepath.Join(tools, storeTool), []byte(store), 0o755); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) (string, error) {
		cmd, errs := command(t, dir, args...)
		cmd.Env = append(cmd.Env, "KXLAB_FRESH=false", "PATH="+tools+":"+os.Getenv("PATH"))
		err := cmd.Run()
		return errs.String(), err
	}
	must := func(args ...string) {
		t.Helper()
		if said, err := do(args...); err != nil {
			t.Fatalf("%q: %v: %s", args, err, said)
		}
	}
	must(append([]string{"run", "--target", "exact", "--out", "whole"}, what...)...)
	for _, shards := range []string{"1", "2", "7"} {
		plan, folder := "plan"+shards, "shards"+shards
		if shards == "1" {
			folder = "file://" + filepath.Join(dir, folder)
		}
		must(append([]string{"plan", "--shards", shards, "--out", plan}, what...)...)
		for n := 1; fmt.Sprint(n-1) != shards; n++ {
			args := []string{"run", "--plan", plan, "--shard", fmt.Sprint(n), "--out", fmt.Sprint(folder, "/", n), fresh}
			if shards == "2" && n == 2 {
				cmd, _ := command(t, dir, args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(500 * time.Millisecond)
				cmd.Process.Kill()
				cmd.Wait()
			}
			must(args...)
		}
		must("merge", folder, "--out", "merged"+shards)
		for _, file := range []string{"bench.txt", "samples.jsonl"} {
			want, err := os.ReadFile(filepath.Join(dir, "whole", file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "merged"+shards, file))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s shards: %s is not that of one run (%v)", shards, file, err)
			}
		}
	}
	place := "file://" + filepath.Join(dir, "shards1", "1")
	if said, err := do("run", "--plan", "plan2", "--shard", "1", "--out", place); err == nil || !strings.Contains(said, "a shard of another plan is there") {
		t.Errorf("a place of another plan: %v: %s", err, said)
	}
	if said, err := do("run", "--plan", "plan1", "--shard", "1", "--out", place); err != nil || !strings.Contains(said, "shard 1 of 1 ("+place+") is complete already") {
		t.Errorf("a place that has the shard: %v: %s", err, said)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "results", "scratch", "shard-*")); err != nil || len(left) > 0 {
		t.Errorf("copies are left: %v, %v", left, err)
	}
	damaged := filepath.Join(dir, "shards2", "1", "run1-guest001-1.json.gz")
	if err := os.Truncate(damaged, 40); err != nil {
		t.Fatal(err)
	}
	if said, err := do("merge", "shards2", "--out", "damaged"); err == nil || !strings.Contains(said, "kxlab run --shard 1/2 with --out shards2/1 makes it again") {
		t.Errorf("a damaged guest: %v: %s", err, said)
	}
	must("run", "--plan", "plan2", "--shard", "1", "--out", "shards2/1")
	must("merge", "shards2", "--out", "mended")
	if err := os.RemoveAll(filepath.Join(dir, "shards2", "2")); err != nil {
		t.Fatal(err)
	}
	if said, err := do("merge", "shards2", "--out", "lost"); err == nil || !strings.Contains(said, "shard 2 of 2 is missing") {
		t.Errorf("a lost shard: %v: %s", err, said)
	}
	said, err := do("merge", "shards2", "--out", "lost", "--allow-partial")
	if err == nil || !strings.Contains(said, "shard 2 of 2, which makes the guest") || strings.Contains(said, "died") ||
		!strings.Contains(said, "kxlab: shard 2 of 2 is missing: ") {
		t.Errorf("without a lost shard: %v: %s", err, said)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "lost", "env.json")); err != nil || !bytes.Contains(raw, []byte("shard 2 of 2 is missing: ")) {
		t.Errorf("the record does not say that a shard is lost: %v", err)
	}
	if r, err := record.Open(filepath.Join(dir, "lost")); err != nil || r.Env.Complete || !strings.HasPrefix(r.State(), "partial: 1 of 2 shards, ") {
		t.Errorf("a run of one of two shards is %v, %v", r, err)
	}
	if said, err := do("merge", "shards7", "shards7/1", "--out", "doubled", "--allow-partial"); err != nil || !strings.Contains(said, "kxlab: shard 1 of 7 is there twice") {
		t.Errorf("a doubled shard: %v: %s", err, said)
	}
	if r, err := record.Open(filepath.Join(dir, "doubled")); err != nil || !r.Env.Complete {
		t.Errorf("a run of all shards, one of them twice: %v", err)
	}
}

// TestStoreMissing: a word with a scheme needs kxlab-store, which the error names, and is no folder of results.
func TestStoreMissing(t *testing.T) {
	for want, args := range map[string][]string{
		"program kxlab-store is not installed: `make store`": {"merge", "s3://bucket/run"},
		"merge writes to a folder":                           {"merge", "shards", "--out", "s3://bucket/run"},
		"only shards go there":                               {"run", "prog", "--out", "s3://bucket/run"},
	} {
		cmd, errs := command(t, t.TempDir(), args...)
		cmd.Env = append(cmd.Env, "PATH=/nowhere")
		if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: %v: %s", args, err, errs)
		}
	}
	for word, want := range map[string]bool{"s3://b/x": true, "oci://r/x:1": true, "shards": false, "./s3://b": false, "/a://b": false, "": false} {
		if isRemote(word) != want {
			t.Errorf("%q is a place: %v", word, !want)
		}
	}
}

// TestShardOf: words and variables that name a shard.
func TestShardOf(t *testing.T) {
	for _, tt := range []struct {
		word, index, task string
		shards            int
		want              string
	}{
		{"2/7", "", "", 0, "2 of 7"}, {"2/7", "", "", 7, "2 of 7"}, {"2", "5", "", 7, "2 of 7"}, {"", "0", "", 7, "1 of 7"}, {"", "", "7", 7, "7 of 7"},
		{"2/8", "", "", 7, "the plan has 7 shards"}, {"8/7", "", "", 0, "numbered from 1 to 7"}, {"0/7", "", "", 0, "numbered from 1 to 7"},
		{"2", "", "", 0, "want NUMBER/ALL, such as 2/7"}, {"x/7", "", "", 0, "want NUMBER/ALL"}, {"2/", "", "", 7, "want NUMBER/ALL"}, {"2/7/9", "", "", 7, "want NUMBER/ALL"},
		{"", "", "", 7, "say which, such as --shard 2/7"}, {"", "7", "", 7, "the engine's task is shard 8, and the plan has 7 shards"},
		{"", "", "0", 7, "SLURM_ARRAY_TASK_ID is 0: tasks are numbered from 1; with Slurm, say --array=1-N"}, {"", "x", "", 7, `JOB_COMPLETION_INDEX is "x"`}, {"", "1", "1", 7, "both set"},
	} {
		shard, of, err := shardOf(tt.word, tt.shards, func(name string) string {
			return map[string]string{"JOB_COMPLETION_INDEX": tt.index, "SLURM_ARRAY_TASK_ID": tt.task}[name]
		})
		got := fmt.Sprintf("%d of %d", shard, of)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}
