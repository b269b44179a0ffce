// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness/labtest"
)

// TestAction runs the steps of the GitHub Action in a repository with one program: each result has its exit code, summary, badge and
// comment. GitHub's command line is one that writes down what it is asked. Results that need guests are those of make soak.
func TestAction(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Runs struct {
			Using string
			Steps []struct{ Run, Uses, Shell string }
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "action.yml"))
	if err == nil {
		err = yaml.Unmarshal(text, &action)
	}
	if err != nil || action.Runs.Using != "composite" || len(action.Runs.Steps) == 0 {
		t.Fatalf("action.yml: %v", err)
	}
	for i, s := range action.Runs.Steps {
		if (s.Run == "") == (s.Uses == "") || s.Run != "" && s.Shell == "" {
			t.Errorf("step %d has not one of run and uses, or no shell", i)
		}
	}
	tools := t.TempDir()
	kxlab := filepath.Join(tools, "kxlab")
	if out, err := exec.Command("go", "build", "-o", kxlab, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	// gh lists one comment if there is a file of its number, and writes down the rest.
	gh := "#!/bin/sh\ncase \"$*\" in *--jq*) cat \"$0.id\" 2>/dev/null; exit 0;; esac\necho \"$*\" >>\"$0.log\"\n"
	if err := os.WriteFile(filepath.Join(tools, "gh"), []byte(gh), 0o755); err != nil {
		t.Fatal(err)
	}
	repo := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(repo, "count.bpf.c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	write(counting(20, "1"))
	git("add", "-A")
	git("commit", "--quiet", "-m", "one")
	for _, tt := range []struct {
		result, text string // of the program; "": it is removed
		code         int
		soak         bool
		comment      string // what GitHub is asked; "": nothing
		there        bool   // a comment
	}{
		{"same", "// another comment\n" + counting(20, "1"), 0, false, "", false},
		{"same", "// another comment\n" + counting(20, "1"), 0, false, "PATCH", true},
		{"broken", "broken(", 1, false, "POST", false},
		{"vanished", "", 1, false, "PATCH", true},
		{"worse", counting(60, "1"), 3, true, "POST", false},
		{"better", counting(5, "1"), 0, true, "POST", false},
	} {
		if tt.soak && !labtest.Soak() {
			continue
		}
		t.Run(tt.result, func(t *testing.T) {
			if tt.text == "" {
				if err := os.Remove(filepath.Join(repo, "count.bpf.c")); err != nil {
					t.Fatal(err)
				}
			} else {
				write(tt.text)
			}
			out := t.TempDir()
			log, id, summary := filepath.Join(tools, "gh.log"), filepath.Join(tools, "gh.id"), filepath.Join(out, "github")
			os.Remove(log)
			os.Remove(id)
			if tt.there {
				if err := os.WriteFile(id, []byte("42\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(filepath.Join(root, "scripts", "action"))
			cmd.Dir = repo
			cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "ACTION_PROGRAM=count.bpf.c", "ACTION_BASE=HEAD", "ACTION_ARGS=--like prog --allow-difference",
				"ACTION_OUT="+out, "ACTION_PULL=7", "GITHUB_REPOSITORY=a/b", "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+summary+".out")
			said, err := cmd.CombinedOutput()
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			read := func(name string) string {
				text, err := os.ReadFile(filepath.Join(out, name))
				if err != nil {
					t.Errorf("%v\n%s", err, said)
				}
				return string(text)
			}
			if code != tt.code || read("result") != tt.result+"\n" || read("github.out") != "result="+tt.result+"\n" {
				t.Errorf("code %d, result %q, want %d, %q\n%s", code, read("result"), tt.code, tt.result, said)
			}
			if read("github") != read("summary.md") || !strings.Contains(read("comment.md"), read("summary.md")) || !strings.HasPrefix(read("comment.md"), "<!-- kxlab count.bpf.c -->\n") {
				t.Errorf("summary %q, comment %q", read("github"), read("comment.md"))
			}
			var badge struct {
				SchemaVersion         int
				Label, Message, Color string
			}
			if err := json.Unmarshal([]byte(read("badge.json")), &badge); err != nil || badge.SchemaVersion != 1 || !strings.HasPrefix(badge.Message, tt.result) {
				t.Errorf("badge %+v, %v", badge, err)
			}
			if err := xml.Unmarshal([]byte(read("badge.svg")), new(struct{})); err != nil {
				t.Errorf("badge: %v", err)
			}
			asked, _ := os.ReadFile(log)
			if tt.comment == "" && len(asked) > 0 || !strings.Contains(string(asked), tt.comment) {
				t.Errorf("GitHub was asked %q, want %q", asked, tt.comment)
			}
		})
	}
}
