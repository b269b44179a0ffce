// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/export"
)

// TestExport: each format of a published run is written, to standard output and to a file alike; a history is exported with its commits; mistakes
// are said with what to do.
func TestExport(t *testing.T) {
	const run, lb = "../../../results/sched-pipe", "../../../results/lb-quick"
	for _, format := range export.Formats() {
		of := run
		if format == "customBiggerIsBetter" {
			of = lb
		}
		file := filepath.Join(t.TempDir(), "new", "file")
		code, out, errs := try(t, "export", of, "--format", format)
		again, none, more := try(t, "export", of, "--format", format, "--out", file)
		written, err := os.ReadFile(file)
		if code != codeDone || again != codeDone || none != "" || err != nil || out != string(written) || len(out) < 1000 {
			t.Errorf("%s: codes %d and %d, %v, %d bytes, %d in the file:\n%s%s", format, code, again, err, len(out), len(written), errs, more)
		}
		if code, _, errs := try(t, "export", of, "--format", format, "--out", file); code != codeFailed || !strings.Contains(errs, "there already") {
			t.Errorf("%s: a file is written over: code %d, %s", format, code, errs)
		}
	}
	_, out, _ := try(t, "export", "--history", "../../../results/history")
	lines, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(lines) < 1000 || len(lines[1][0]) != 40 || lines[1][1] == "" || lines[1][2] == "" {
		t.Errorf("a history: %d lines, %v: %q", len(lines), err, lines[:min(2, len(lines))])
	}
	_, out, errs := try(t, "export", run, "--format", "kcidb", "--commit", "HEAD", "--origin", "mylab")
	var doc struct {
		Checkouts []struct {
			ID, Origin string
			Hash       string `json:"git_commit_hash"`
			Message    string `json:"git_commit_message"`
		}
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&doc); err != nil || len(doc.Checkouts) != 1 || doc.Checkouts[0].Origin != "mylab" ||
		len(doc.Checkouts[0].Hash) != 40 || doc.Checkouts[0].Message == "" {
		t.Errorf("kcidb: %+v, %v: %s", doc, err, errs)
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"format":     {[]string{"export", run, "--format", "cvs"}, codeUsage, "did you mean"},
		"nothing":    {[]string{"export"}, codeUsage, "name a run directory"},
		"both":       {[]string{"export", run, "--history", "h"}, codeUsage, "not both"},
		"commit":     {[]string{"export", "--history", "../../../results/history", "--commit", "none"}, codeFailed, `revision "none"`},
		"runs twice": {[]string{"export", run, run, "--format", "csv"}, codeFailed, "twice"},
		"revision":   {[]string{"export", run, "--commit", "none"}, codeFailed, `revision "none"`},
		"run":        {[]string{"export", "none"}, codeFailed, "there is no such folder"},
		"history":    {[]string{"export", "--history", "none"}, codeFailed, "history add"},
		"twice":      {[]string{"export", run, run, "--format", "bencher"}, codeFailed, "twice"},
		"origin":     {[]string{"export", run, "--format", "kcidb", "--origin", "My Lab"}, codeUsage, "small letters"},
	} {
		if code, out, errs := try(t, tt.args...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: code %d, want %d and %q:\n%.200s%s", name, code, tt.code, tt.want, out, errs)
		}
	}
}

// TestExportOne: one commit of a history can be chosen for the formats that tell no two apart, the time of a named commit is in CSV, a commit of the
// lab's is noted, and a disk that is full leaves no part of a file.
func TestExportOne(t *testing.T) {
	repo, hashes := planted(t, 3, nil)
	run, err := filepath.Abs("../../../results/sched-pipe")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(repo)
	if code, _, errs := try(t, "export", "--history", "h", "--format", "bencher"); code != codeFailed || !strings.Contains(errs, "choose one commit of the history with --commit") {
		t.Errorf("all: code %d, %s", code, errs)
	}
	if code, out, errs := try(t, "export", "--history", "h", "--format", "bencher", "--commit", "HEAD^"); code != codeDone || !strings.Contains(out, "insn/run") {
		t.Errorf("one: code %d, %s%s", code, out, errs)
	}
	gitIn(t, repo)("", "commit", "--quiet", "--allow-empty", "-m", "not measured")
	if code, _, errs := try(t, "export", "--history", "h", "--commit", "HEAD"); code != codeFailed || !strings.Contains(errs, "has nothing of") {
		t.Errorf("none: code %d, %s", code, errs)
	}
	_, out, errs := try(t, "export", run, "--commit", hashes[0])
	if lines, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(lines) < 2 || lines[1][1] == "" || strings.Contains(errs, "it is the lab's") {
		t.Errorf("the time of a commit: %v, %.300s%s", err, out, errs)
	}
	if code, _, errs := try(t, "export", run); code != codeDone || !strings.Contains(errs, "it is the lab's") {
		t.Errorf("the lab's commit: code %d, %s", code, errs)
	}
	if err := os.WriteFile("taken.csv", []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := try(t, "export", run, "--out", "taken.csv"); code != codeFailed || !strings.Contains(errs, "there already") {
		t.Errorf("a file that is there: code %d, %s", code, errs)
	}
}
