// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness/labtest"
)

// An actionStage is a repository with one program, and tools: a lab, and GitHub's command line, which lists comments if there is a
// file of their numbers, fails if there is a file "refused", and writes down what it is asked.
type actionStage struct{ root, tools, repo string }

func newActionStage(t *testing.T) actionStage {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	s := actionStage{root: root, tools: t.TempDir(), repo: t.TempDir()}
	s.tool(t, "gh", `printf '%s\n' "$*" >>"$0.log"; [ ! -e "$0.refused" ] || exit 1; case "$*" in *--jq*) cat "$0.id" 2>/dev/null; exit 0;; esac`)
	s.git(t, "init", "--quiet")
	s.commit(t, map[string]string{"count.bpf.c": counting(20, "1")})
	return s
}

// lab builds kxlab and returns its path.
func (s actionStage) lab(t *testing.T) string {
	t.Helper()
	path := filepath.Join(s.tools, "kxlab")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// tool writes a shell script among the tools and returns its path.
func (s actionStage) tool(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.tools, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s actionStage) git(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("git", append([]string{"-C", s.repo, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

// write writes files of the repository; one with the text "" is removed.
func (s actionStage) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path, err := filepath.Join(s.repo, name), error(nil)
		if text == "" {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (s actionStage) commit(t *testing.T, files map[string]string) {
	t.Helper()
	s.write(t, files)
	s.git(t, "add", "-A")
	s.git(t, "commit", "--quiet", "-m", "one")
}

// An acting is what the steps of the Action meet.
type acting struct {
	kxlab, program, args string
	there, refused       bool // comments of the Action, and any change of them
}

// An acted is what the steps of the Action left.
type acted struct {
	code  int
	said  string            // standard output and error
	files map[string]string // of the results, and github and github.out, which GitHub reads
	asked string            // what GitHub was asked
	suite junitFile
	badge string // its message
}

type junitFile struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Skipped  int `xml:"skipped,attr"`
	Cases    []struct {
		Out string `xml:"system-out"`
	} `xml:"testcase"`
}

// act runs the steps as the Action does.
func (s actionStage) act(t *testing.T, with acting) (a acted) {
	t.Helper()
	out, gh := t.TempDir(), filepath.Join(s.tools, "gh")
	os.Remove(gh + ".log")
	for name, there := range map[string]bool{".id": with.there, ".refused": with.refused} {
		os.Remove(gh + name)
		if there {
			if err := os.WriteFile(gh+name, []byte("42\n43\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(filepath.Join(s.root, "scripts", "action"))
	cmd.Dir = s.repo
	summary := filepath.Join(out, "github")
	cmd.Env = append(os.Environ(), "PATH="+s.tools+":"+os.Getenv("PATH"), "ACTION_PROGRAM="+with.program, "ACTION_BASE=HEAD", "ACTION_ARGS="+with.args, "ACTION_KXLAB="+with.kxlab,
		"ACTION_OUT="+out, "ACTION_PULL=7", "GITHUB_REPOSITORY=a/b", "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+summary+".out")
	said, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		a.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	a.said, a.files = string(said), map[string]string{}
	for _, name := range []string{"result", "summary.md", "comment.md", "badge.json", "badge.svg", "junit.xml", "github", "github.out"} {
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Errorf("%v\n%s", err, said)
		}
		a.files[name] = string(text)
	}
	if entries, err := filepath.Glob(filepath.Join(out, "{both,own}")); len(entries) > 0 || err != nil {
		t.Errorf("%v, %v are left", entries, err)
	}
	asked, _ := os.ReadFile(gh + ".log")
	a.asked = string(asked)
	a.check(t, with.program)
	return a
}

// check reads the results back: each is there, well formed and says the same.
func (a *acted) check(t *testing.T, program string) {
	t.Helper()
	if a.files["github"] != a.files["summary.md"] || !strings.Contains(a.said, a.files["summary.md"]) || a.files["github.out"] != "result="+a.files["result"] {
		t.Errorf("summary %q, output %q\n%s", a.files["github"], a.files["github.out"], a.said)
	}
	if text := a.files["comment.md"]; !strings.Contains(text, a.files["summary.md"]) || !strings.HasPrefix(text, "<!-- kxlab "+program+" -->\n") {
		t.Errorf("comment %q", text)
	}
	var badge struct {
		SchemaVersion         int
		Label, Message, Color string
	}
	if err := json.Unmarshal([]byte(a.files["badge.json"]), &badge); err != nil || badge.SchemaVersion != 1 || !strings.HasPrefix(badge.Message, a.result()) {
		t.Errorf("badge %+v, %v", badge, err)
	}
	a.badge = badge.Message
	if err := xml.Unmarshal([]byte(a.files["badge.svg"]), new(struct{})); err != nil {
		t.Errorf("badge: %v", err)
	}
	if err := xml.Unmarshal([]byte(a.files["junit.xml"]), &a.suite); err != nil || a.suite.Tests == 0 || a.suite.Tests != len(a.suite.Cases) {
		t.Errorf("JUnit: %v\n%s", err, a.files["junit.xml"])
	}
}

func (a *acted) result() string { return strings.TrimSpace(a.files["result"]) }

// TestActionFile reads action.yml as GitHub does.
func TestActionFile(t *testing.T) {
	var action struct {
		Runs struct {
			Using string
			Steps []struct{ Run, Uses, Shell string }
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "action.yml"))
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
}

// TestAction runs the steps of the GitHub Action in a repository with one program: each result has its exit code, summary, JUnit, badge and
// comment. Results that need guests are those of make soak.
func TestAction(t *testing.T) {
	stage := newActionStage(t)
	lab := stage.lab(t)
	const like = "--like prog\n--allow-difference\n"
	for _, tt := range []struct {
		name, result, text string // of the program; "": it is removed
		args               string
		code               int
		soak, there        bool
		comment            string // what GitHub is asked; "": nothing
		failures           int    // of JUnit
	}{
		{"same", "same", "// another comment\n" + counting(20, "1"), like, 0, false, false, "", 0},
		{"same, with a comment", "same", "// another comment\n" + counting(20, "1"), like, 0, false, true, "PATCH", 0},
		{"broken", "broken", "broken(", like, 1, false, false, "POST", 1},
		{"wrong words", "error", counting(60, "1"), "--like nonsense", 2, false, false, "POST", 1},
		{"vanished", "vanished", "", like, 1, false, true, "PATCH", 1},
		{"worse", "worse", counting(60, "1"), like + "--format json --gate=false", 3, true, false, "POST", 4},
		{"better", "better", counting(5, "1"), like + "--format json", 0, true, false, "POST", 0},
	} {
		if tt.soak && !labtest.Soak() {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			stage.write(t, map[string]string{"count.bpf.c": tt.text})
			a := stage.act(t, acting{lab, "count.bpf.c", tt.args, tt.there, false})
			if a.code != tt.code || a.result() != tt.result || a.suite.Failures != tt.failures {
				t.Errorf("code %d, result %q, %d failures in JUnit, want %d, %q, %d\n%s", a.code, a.result(), a.suite.Failures, tt.code, tt.result, tt.failures, a.said)
			}
			writes := strings.Count(a.asked, "--method")
			if !strings.Contains(a.asked, tt.comment) || tt.comment == "" && writes > 0 || tt.comment != "" && writes != 1 {
				t.Errorf("GitHub was asked %q, want %q", a.asked, tt.comment)
			}
			if tt.soak && !strings.HasSuffix(a.badge, " %)") {
				t.Errorf("the badge says %q, want a size", a.badge)
			}
		})
	}
}

// TestActionNewcomer runs the steps for programs that have no base, or a broken one: they are checked by themselves.
func TestActionNewcomer(t *testing.T) {
	stage := newActionStage(t)
	lab := stage.lab(t)
	stage.write(t, map[string]string{"new.bpf.c": "broken("})
	if a := stage.act(t, acting{kxlab: lab, program: "new.bpf.c", args: "--like prog"}); a.code != 1 || a.result() != "broken" || !strings.Contains(a.files["summary.md"], "it does not compile") {
		t.Errorf("a new program that does not compile: code %d, %q\n%s", a.code, a.result(), a.said)
	}
	stage.commit(t, nil)
	if a := stage.act(t, acting{kxlab: lab, program: "new.bpf.c", args: "--like prog"}); a.code != 1 || a.result() != "broken" {
		t.Errorf("a program that is broken on both sides: code %d, %q\n%s", a.code, a.result(), a.said)
	}
	if !labtest.Soak() {
		return
	}
	stage.write(t, map[string]string{"new.bpf.c": counting(20, "1"), "newer.bpf.c": counting(20, "1")})
	for program, want := range map[string]string{"new.bpf.c": "In HEAD it does not, so that there is nothing", "newer.bpf.c": "It compiles and passes its gate"} {
		if a := stage.act(t, acting{kxlab: lab, program: program, args: "--like prog"}); a.code != 0 || a.result() != "new" || a.suite.Failures != 0 || !strings.Contains(a.files["summary.md"], want) {
			t.Errorf("%s: code %d, %q, want %q\n%s", program, a.code, a.result(), want, a.said)
		}
	}
}

// TestActionLab runs the steps with a lab that says what the case needs: the Action has a result of all it may say and of its death.
func TestActionLab(t *testing.T) {
	stage := newActionStage(t)
	stage.write(t, map[string]string{"count.bpf.c": "x"})
	for _, tt := range []struct {
		name, lab, result string
		code              int
		badge, said       string
	}{
		{"a panic", "echo calibration >&2; printf 'panic: boom\\n\\ngoroutine 1\\n' >&2; exit 2", "error", 2, "error", "panic: boom"},
		{"killed", "kill -9 $$", "error", 137, "error", "(exit code 137)"},
		{"lacking", "echo 'kxlab: no QEMU' >&2; exit 4", "unsupported", 4, "unsupported", "kxlab: no QEMU"},
		{"base at fault", `case "$2" in *:*) echo "kxlab: $2: wrong" >&2; exit 1;; esac`, "new", 0, "new", "kxlab: HEAD:count.bpf.c: wrong"},
		{"tree at fault", `echo "kxlab: $3: wrong" >&2; exit 1`, "broken", 1, "broken", "kxlab: count.bpf.c: wrong"},
		{"both sound", `[ "$2" = "$3" ] || { echo "kxlab: the outputs differ" >&2; exit 1; }`, "broken", 1, "broken", "the outputs differ"},
		{"a run", "echo 'count.bpf.c takes 17.0 more instructions a run (+34.7 %) than HEAD:count.bpf.c [+34.7 %, +34.7 %\\]: worse (run/input=a).'; exit 3",
			"worse", 3, "worse: 17.0 more instructions a run (+34.7 %)", ""},
		{"goodput", "echo 'count.bpf.c has 2.4 % more bit/s than HEAD:count.bpf.c: better.'", "better", 0, "better: 2.4 % more bit/s", ""},
		{"two kernels", "echo '6.12: No difference is shown.'; echo '7.2: c takes 2.1 % fewer instructions a packet than HEAD:c [1, 2\\]: better.'",
			"better", 0, "better: 2.1 % fewer instructions a packet", ""},
		{"too small", "echo 'A difference smaller than the least that counts, 9 %, is shown: c takes 2 % fewer instructions a packet than HEAD:c (pps).'",
			"same", 0, "same", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := stage.act(t, acting{kxlab: stage.tool(t, "lab", tt.lab), program: "count.bpf.c"})
			if a.code != tt.code || a.result() != tt.result || a.badge != tt.badge || !strings.Contains(a.files["summary.md"], tt.said) {
				t.Errorf("code %d, result %q, badge %q, want %d, %q, %q\n%s", a.code, a.result(), a.badge, tt.code, tt.result, tt.badge, a.said)
			}
		})
	}
	if a := stage.act(t, acting{kxlab: "no-such-lab", program: "count.bpf.c"}); a.code != 127 || a.result() != "error" || !strings.Contains(a.files["summary.md"], "not found") {
		t.Errorf("no lab: code %d, %q\n%s", a.code, a.result(), a.said)
	}
	if a := stage.act(t, acting{kxlab: stage.tool(t, "lab", "echo worse; exit 3"), program: "count.bpf.c", refused: true}); a.code != 3 || a.result() != "worse" || !strings.Contains(a.said, "::warning title=kxlab::") {
		t.Errorf("a comment that is refused: code %d, %q\n%s", a.code, a.result(), a.said)
	}
}

// TestActionWords runs the steps with words on several lines, and with a program whose name has to be quoted.
func TestActionWords(t *testing.T) {
	stage := newActionStage(t)
	const program = `a\b "c".bpf.c`
	stage.write(t, map[string]string{program: "x"})
	lab := stage.tool(t, "lab", `printf '%s\n' "$@" >"$0.words"; echo same`)
	a := stage.act(t, acting{kxlab: lab, program: program, args: "--workload pps\n  --axis flows=1\n\n--format json"})
	text, err := os.ReadFile(lab + ".words")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Split(strings.TrimSpace(string(text)), "\n")
	if want := []string{"ab", program, program, "--workload", "pps", "--axis", "flows=1", "--format", "json"}; len(words) < len(want) || !slices.Equal(words[:len(want)], want) {
		t.Errorf("kxlab was told %q, want %q first", words, want)
	}
	if at := slices.Index(words, "markdown"); at < slices.Index(words, "json") || a.result() != "new" {
		t.Errorf("kxlab was told %q: the format is not ours; result %q", words, a.result())
	}
	if want := `startswith("<!-- kxlab a\\b \"c\".bpf.c -->")`; !strings.Contains(a.asked, want) {
		t.Errorf("GitHub was asked %q, want %q", a.asked, want)
	}
}
