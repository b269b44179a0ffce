// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slower copies a published run and makes every value of a unit larger by a share.
func slower(t *testing.T, unit string, share float64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(dir, os.DirFS("../../../results/sched-pipe")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bench.txt")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	re := regexp.MustCompile(`(\S+) ` + regexp.QuoteMeta(unit) + `\b`)
	text = re.ReplaceAllFunc(text, func(m []byte) []byte {
		number, _, _ := bytes.Cut(m, []byte(" "))
		v, err := strconv.ParseFloat(string(number), 64)
		if err != nil {
			return m
		}
		return []byte(strconv.FormatFloat(v*(1+share), 'g', -1, 64) + " " + unit)
	})
	if err := errors.Join(os.WriteFile(path, text, 0o644), os.Remove(filepath.Join(dir, "SHA256SUMS"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHistory: runs are kept at commits, a step is found at the commit that made it, the gate ends with 3 for the newest commit only, and
// mistakes are said with what to do.
func TestHistory(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	same, worse := slower(t, "insn/switch", 0), slower(t, "insn/switch", 0.01)
	repo := t.TempDir()
	git := func(args ...string) string { return gitIn(t, repo)("", args...) }
	git("init", "--quiet")
	for _, subject := range []string{"one", "two", "three <b>", "four"} {
		git("commit", "--quiet", "--allow-empty", "-m", subject)
	}
	t.Chdir(repo)
	for i, run := range []string{same, same, worse, worse} {
		if code, out, errs := try(t, "history", "add", run, "--commit", "HEAD~"+strconv.Itoa(3-i), "--history", "h"); code != codeDone || !strings.Contains(out, "is kept at ") {
			t.Fatalf("add: code %d, %s%s", code, out, errs)
		}
	}
	three := git("rev-parse", "HEAD^")
	code, out, errs := try(t, "history", "--history", "h")
	for _, want := range []string{"4 measured commits", "1 change, 1 of them with steps for the worse", three[:10] + " three <b>", "+1.0 %  worse"} {
		if !strings.Contains(out, want) {
			t.Errorf("code %d, it does not say %q:\n%s%s", code, want, out, errs)
		}
	}
	var doc struct {
		Changes []struct {
			Commit string
			Steps  []struct{ Unit, Verdict string }
		}
	}
	if _, out, _ := try(t, "history", "--history", "h", "--format", "json"); json.Unmarshal([]byte(out), &doc) != nil || len(doc.Changes) != 1 ||
		doc.Changes[0].Commit != three || len(doc.Changes[0].Steps) == 0 || doc.Changes[0].Steps[0].Verdict != "worse" {
		t.Errorf("json: %s", out)
	}
	if _, out, _ := try(t, "history", "--history", "h", "--series", "insn/switch scx-fifo"); strings.Count(out, "\n") < 6 || !strings.Contains(out, "four") {
		t.Errorf("series: %s", out)
	}
	if code, out, errs := try(t, "history", "--history", "h", "--gate"); code != codeDone {
		t.Errorf("the gate of a commit that changes nothing: code %d, %s%s", code, out, errs)
	}
	if code, _, errs := try(t, "history", "--history", "h", "--gate", "--to", "HEAD^"); code != codeRegression || !strings.Contains(errs, "for the worse") {
		t.Errorf("the gate of a commit that is worse: code %d, %s", code, errs)
	}
	notes := filepath.Join("h", "notes.txt")
	if err := os.WriteFile(notes, []byte(three[:10]+" a <i>note\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{"text": ": a <i>note", "markdown": "note", "json": ": a \\u003ci\\u003enote"} {
		if code, out, errs := try(t, "history", "--history", "h", "--format", format); code != codeDone || !strings.Contains(out, want) {
			t.Errorf("a note as %s: code %d, %s%s", format, code, out, errs)
		}
	}
	site := filepath.Join(t.TempDir(), "site")
	if code, out, errs := try(t, "site", site, same, "--history", "h"); code != codeDone {
		t.Fatalf("site: code %d, %s%s", code, out, errs)
	}
	if page, err := os.ReadFile(filepath.Join(site, "history.html")); err != nil || !bytes.Contains(page, []byte("three &lt;b&gt;")) || !bytes.Contains(page, []byte("polyline")) || !bytes.Contains(page, []byte(": a &lt;i&gt;note")) {
		t.Errorf("the page of the history: %v\n%s", err, page)
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"twice":      {[]string{"history", "add", same, "--commit", "HEAD", "--history", "h"}, codeFailed, "the history has such a run"},
		"revision":   {[]string{"history", "add", same, "--commit", "none", "--history", "h"}, codeFailed, `revision "none"`},
		"own commit": {[]string{"history", "add", same, "--history", "h"}, codeFailed, "--commit HEAD"},
		"no folder":  {[]string{"history", "--history", "none"}, codeFailed, "history add"},
		"format":     {[]string{"history", "--history", "h", "--format", "marcdown"}, codeUsage, "did you mean"},
		"effect":     {[]string{"history", "--history", "h", "--min-effect", "NaN"}, codeUsage, "not a share above 0"},
		"json":       {[]string{"history", "--history", "h", "--series", "x", "--format", "json"}, codeUsage, "--series writes text"},
		"series":     {[]string{"history", "--history", "h", "--series", "nothing"}, codeFailed, "no series"},
		"to":         {[]string{"history", "--history", "h", "--to", "none"}, codeUsage, "none"},
	} {
		if code, out, errs := try(t, tt.args...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: code %d, want %d and %q:\n%s%s", name, code, tt.code, tt.want, out, errs)
		}
	}
	if err := os.WriteFile(notes, []byte("of nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := try(t, "history", "--history", "h"); code != codeFailed || !strings.Contains(errs, "notes.txt:1") || !strings.Contains(out, "4 measured commits") {
		t.Errorf("a damaged note: code %d, %s%s", code, out, errs)
	}
	if err := os.WriteFile(filepath.Join("h", three+".txt"), []byte("commit: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := try(t, "history", "--history", "h"); code != codeFailed || !strings.Contains(errs, three) || !strings.Contains(out, "3 measured commits") {
		t.Errorf("a damaged file: code %d, %s%s", code, out, errs)
	}
}

// TestScratch: two runs that begin in one second have folders of their own.
func TestScratch(t *testing.T) {
	t.Chdir(t.TempDir())
	now := time.Unix(1e9, 0)
	first := scratch("lb", now)
	if err := os.MkdirAll(first, 0o755); err != nil {
		t.Fatal(err)
	}
	if second := scratch("lb", now); second != first+"-2" {
		t.Errorf("the second is %s beside %s", second, first)
	}
}
