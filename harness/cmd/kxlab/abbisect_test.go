// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestForGitBisect: git takes a commit for bad only where the program is worse or does other things.
func TestForGitBisect(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"not worse":   {nil, codeDone},
		"worse":       {withCode(codeRegression, errors.New("B is worse")), codeRegression},
		"outputs":     {outputsDiffer(1, 2, "arp"), codeRegression},
		"not judged":  {withCode(codeRegression, fmt.Errorf("the gate: %w", errBlind)), codeSkip},
		"broken":      {errors.New("it does not compile"), codeSkip},
		"usage":       {usage(errors.New("--like: unknown")), codeAbort},
		"machine":     {unsupported(errors.New("no QEMU")), codeAbort},
		"interrupted": {fmt.Errorf("measure: %w", context.Canceled), codeAbort},
	} {
		if got := codeOf(forGitBisect(tt.err)); got != tt.want {
			t.Errorf("%s: code %d, want %d", name, got, tt.want)
		}
	}
}

// TestBisectRun: git bisect run passes over a commit whose program does not compile.
func TestBisectRun(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	repo := openFolder(t)
	git := gitIn(t, repo)
	git("", "init", "--quiet")
	for i, text := range []string{counting(5, "0"), counting(5, "0") + "\nbroken(", counting(5, "0") + "\n"} {
		if err := os.WriteFile(repo+"/count.bpf.c", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git("", "add", "-A")
		git("", "commit", "--quiet", "-m", fmt.Sprint("commit ", i))
	}
	t.Chdir(repo)
	for _, tt := range []struct {
		words string
		code  int
		want  string
	}{
		{"HEAD~2:count.bpf.c HEAD~1:count.bpf.c --like prog --bisect-run", codeSkip, "it does not compile"},
		{"HEAD~2:count.bpf.c HEAD~1:count.bpf.c --like prog --gate", codeFailed, "it does not compile"},
		{"HEAD~2:count.bpf.c HEAD:count.bpf.c --like prog --bisect-run", codeDone, ""},
		{"HEAD~2:count.bpf.c HEAD:count.bpf.c --like nonsense --bisect-run", codeAbort, "nonsense"},
	} {
		if code, out, errs := try(t, append([]string{"ab"}, strings.Fields(tt.words)...)...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: code %d, want %d and %q:\n%s%s", tt.words, code, tt.code, tt.want, out, errs)
		}
	}
}
