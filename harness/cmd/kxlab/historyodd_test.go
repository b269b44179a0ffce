// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gitIn returns a function that runs git in a folder at a time of the clock, and what it prints.
func gitIn(t *testing.T, repo string) func(clock string, args ...string) string {
	return func(clock string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE="+clock)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
}

// TestHistoryOddities: in a real repository, a commit that was not measured widens the range of a change; the other side of a merge, a commit that was
// rewritten and a clock that goes backwards are named, and of all of them the files stay.
func TestHistoryOddities(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	same, worse := slower(t, "insn/switch", 0), slower(t, "insn/switch", 0.01)
	repo := t.TempDir()
	t.Chdir(repo)
	git := gitIn(t, repo)
	commit := func(clock, subject string) string {
		git(clock, "commit", "--quiet", "--allow-empty", "-m", subject)
		return git(clock, "rev-parse", "HEAD")
	}
	keep := func(run, revision string) {
		t.Helper()
		if code, out, errs := try(t, "history", "add", run, "--commit", revision, "--history", "h"); code != codeDone {
			t.Fatalf("add: code %d, %s%s", code, out, errs)
		}
	}
	git("", "init", "--quiet")
	first := commit("2026-01-02T00:00:00Z", "first")
	keep(same, first)
	commit("2026-01-03T00:00:00Z", "not measured")
	git("", "checkout", "--quiet", "-b", "side", first)
	side := commit("2026-01-03T00:00:00Z", "side")
	keep(worse, side)
	git("", "checkout", "--quiet", "main")
	git("2026-01-04T00:00:00Z", "merge", "--quiet", "--no-ff", "-m", "merge of side", "side")
	merge := git("", "rev-parse", "HEAD")
	keep(worse, merge)
	old := commit("2026-01-05T00:00:00Z", "to be rewritten")
	keep(worse, old)
	git("2026-01-01T00:00:00Z", "commit", "--quiet", "--allow-empty", "--amend", "-m", "rewritten")
	keep(worse, "HEAD")
	last := git("", "rev-parse", "HEAD")
	code, out, errs := try(t, "history", "--history", "h")
	for _, want := range []string{
		"3 measured commits", "1 change, ", "one of 2 commits after " + first[:10] + ", up to " + merge[:10] + " merge of side",
		side[:12] + " is not on this line", old[:12] + " is not on this line", last[:12] + " follows " + merge[:12] + " and says that it is older",
	} {
		if code != codeDone || !strings.Contains(out, want) {
			t.Errorf("code %d, it does not say %q:\n%s%s", code, want, out, errs)
		}
	}
	if code, out, errs := try(t, "history", "--history", "h", "--to", "side"); code != codeDone || !strings.Contains(out, "2 measured commits") || !strings.Contains(out, side[:10]+" side") {
		t.Errorf("the line of side: code %d, %s%s", code, out, errs)
	}
	if files, err := filepath.Glob("h/*.txt"); err != nil || len(files) != 5 {
		t.Errorf("files %q, %v", files, err)
	}
}

// TestHistoryWriters: processes that add runs of one commit at once lose none of them, and one that is killed leaves whole files.
func TestHistoryWriters(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	repo := openFolder(t)
	git := gitIn(t, repo)
	git("", "init", "--quiet")
	git("", "commit", "--quiet", "--allow-empty", "-m", "one")
	runs := []string{"sched-pipe", "sched-wide", "cc-wide", "lb-quick", "lb-exact", "swap-exact", "safety-exact", "proxy-exact"}
	var all []*exec.Cmd
	add := func(name string) *exec.Cmd {
		run, err := filepath.Abs("../../../results/" + name)
		if err != nil {
			t.Fatal(err)
		}
		cmd, _ := command(t, repo, "history", "add", run, "--commit", "HEAD", "--history", "h")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	for _, name := range runs {
		all = append(all, add(name))
	}
	killed := add("cc-five")
	_ = killed.Process.Kill()
	_ = killed.Wait()
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", runs[i], err)
		}
	}
	text, err := os.ReadFile(filepath.Join(repo, "h", git("", "rev-parse", "HEAD")+".txt"))
	if n := strings.Count(string(text), "\nexperiment: "); err != nil || n < len(runs) || n > len(runs)+1 {
		t.Errorf("%d runs of %d are there, %v", n, len(runs), err)
	}
	t.Chdir(repo)
	if code, out, errs := try(t, "history", "--history", "h"); code != codeDone || !strings.Contains(out, "1 measured commit") {
		t.Errorf("code %d, %s%s", code, out, errs)
	}
}
