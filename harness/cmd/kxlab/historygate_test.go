// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
)

// planted makes a repository with a history in h of n commits without a change, and returns its git and the hashes.
func planted(t *testing.T, n int, edit func(i int, r *history.Run) bool) (repo string, hashes []string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	repo = t.TempDir()
	git := gitIn(t, repo)
	git("", "init", "--quiet")
	for i := range n {
		git("", "commit", "--quiet", "--allow-empty", "-m", "commit")
		hash := git("", "rev-parse", "HEAD")
		hashes = append(hashes, hash)
		r := history.Run{Setting: history.Setting{Experiment: "mine", Target: harness.TargetExact, CPU: "A", Profile: "smoke", Seed: 1}, Kernel: "7.2",
			Recorded: time.Unix(1e9, 0).UTC(), Better: map[string]int{"insn/run": -1},
			Values: map[history.Series][]float64{{Cell: "MINE/workload=run/class=count/variant=a/input=arp", Unit: "insn/run"}: {1000, 1000}}}
		if edit != nil && !edit(i, &r) {
			continue
		}
		if err := history.Add(filepath.Join(repo, "h"), history.Entry{Commit: hash}, r, false); err != nil {
			t.Fatal(err)
		}
	}
	return repo, hashes
}

// TestGateJudges: the gate passes only where the commit that it is asked about was held against an earlier one.
func TestGateJudges(t *testing.T) {
	last := 3
	for name, tt := range map[string]struct {
		n    int
		edit func(i int, r *history.Run) bool
		code int
		want string
	}{
		"judged":      {4, nil, codeDone, ""},
		"one commit":  {1, nil, codeRegression, "held against an earlier one"},
		"HEAD is not": {4, func(i int, r *history.Run) bool { return i < last }, codeRegression, "HEAD is not measured"},
		"another CPU": {4, func(i int, r *history.Run) bool { r.CPU = string(rune('A' + i/last)); return true }, codeRegression, "other settings"},
		"seed":        {4, func(i int, r *history.Run) bool { r.Seed = uint64(i / last); return true }, codeRegression, "other settings"},
		"profile": {4, func(i int, r *history.Run) bool {
			if i == last {
				r.Profile = "full"
			}
			return true
		}, codeRegression, "other settings"},
		"host": {4, func(i int, r *history.Run) bool { r.Target = harness.TargetHost; return true }, codeRegression, "kxlab compare --gate"},
	} {
		repo, _ := planted(t, tt.n, tt.edit)
		t.Chdir(repo)
		if code, out, errs := try(t, "history", "--gate", "--history", "h"); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: code %d, want %d and %q:\n%s%s", name, code, tt.code, tt.want, out, errs)
		}
	}
}

// TestShallow: in a shallow clone the gate does not pass, and the remedy is said.
func TestShallow(t *testing.T) {
	repo, _ := planted(t, 4, nil)
	gitIn(t, repo)("", "add", "-A")
	gitIn(t, repo)("", "commit", "--quiet", "-m", "history")
	clone := filepath.Join(t.TempDir(), "clone")
	gitIn(t, repo)("", "clone", "--quiet", "--depth", "2", "file://"+repo, clone)
	t.Chdir(clone)
	if code, out, errs := try(t, "history", "--gate", "--history", "h", "--to", "HEAD^"); code != codeRegression || !strings.Contains(errs, "fetch-depth: 0") || !strings.Contains(out, "1 of 4 measured commits") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
}

// TestRefusedRepository: a repository that git refuses is not taken for a folder without one.
func TestRefusedRepository(t *testing.T) {
	repo, _ := planted(t, 2, nil)
	t.Chdir(repo)
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	if code, out, errs := try(t, "history", "--gate", "--history", "h"); code != codeFailed || !strings.Contains(errs, "safe.directory") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
}

// TestLater: commits later than --to are one remark, and a note where nothing changed is shown.
func TestLater(t *testing.T) {
	repo, hashes := planted(t, 6, nil)
	t.Chdir(repo)
	if err := os.WriteFile("h/notes.txt", []byte(hashes[1]+" a note of mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := try(t, "history", "--history", "h", "--to", "HEAD~3")
	for _, want := range []string{"3 measured commits later than HEAD~3", "where nothing changed: a note of mine"} {
		if code != codeDone || !strings.Contains(out, want) || strings.Contains(out, "other side of a merge") {
			t.Errorf("code %d, it does not say %q:\n%s%s", code, want, out, errs)
		}
	}
}

// TestSiteHistoryAlone: a site can show a history without runs; a file that is damaged is named on the page and in the error, and the others are shown.
func TestSiteHistoryAlone(t *testing.T) {
	repo, hashes := planted(t, 3, nil)
	t.Chdir(repo)
	page := func() string {
		text, err := os.ReadFile("site/history.html")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if code, out, errs := try(t, "site", "site", "--history", "h"); code != codeDone || !strings.Contains(page(), "3 measured commits") {
		t.Errorf("alone: code %d, %s%s", code, out, errs)
	}
	if err := os.WriteFile("h/"+hashes[1]+".txt", []byte("commit: x"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := try(t, "site", "site", "--history", "h")
	if code != codeFailed || !strings.Contains(errs, hashes[1]) || !strings.Contains(page(), "2 measured commits") || !strings.Contains(page(), hashes[1]) {
		t.Errorf("damaged: code %d, %s%s", code, out, errs)
	}
}

// TestEarlyRun: a run that is older than its commit is remarked on.
func TestEarlyRun(t *testing.T) {
	run, err := filepath.Abs("../../../results/sched-pipe")
	if err != nil {
		t.Fatal(err)
	}
	repo := t.TempDir()
	gitIn(t, repo)("", "init", "--quiet")
	gitIn(t, repo)("2090-01-01T00:00:00Z", "commit", "--quiet", "--allow-empty", "-m", "later")
	t.Chdir(repo)
	if code, out, errs := try(t, "history", "add", run, "--commit", "HEAD", "--history", "h"); code != codeDone || !strings.Contains(errs, "before the commit") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
}
