// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWatch: each save gives a new answer, a source that does not compile is survived, and Ctrl-C is the regular end.
func TestWatch(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("needs root, and loads programs for some seconds")
	}
	program, err := os.ReadFile("../../../bpf/lb/xdp_dsr.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	ownFolder(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// save puts a new file in the place of the old one, as editors do.
	save := func(text string) {
		t.Helper()
		if err := os.WriteFile(".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(".new", "fast.bpf.c"); err != nil {
			t.Fatal(err)
		}
	}
	save(string(program))
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	cmd, _ := command(t, dir, "ab", "xdp-dsr", "fast.bpf.c", "--watch", "--target", "host", "--repeat", "4", "--axis", "flows=1", "--wait")
	cmd.Stderr = nil
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer stop.Stop()
	answers, notes := bufio.NewReader(stdout), bufio.NewReader(stderr)
	answer := func() {
		t.Helper()
		line, err := answers.ReadString('\n')
		if !regexp.MustCompile(`^\d\d:\d\d:\d\d  .*fast\.bpf\.c.* \(\d+\.\d s\)\n$`).MatchString(line) {
			cmd.Process.Kill()
			t.Fatalf("answer %q, %v", line, err)
		}
	}
	noted := func(want string) {
		t.Helper()
		for {
			line, err := notes.ReadString('\n')
			if strings.Contains(line, want) {
				return
			}
			if err != nil {
				cmd.Process.Kill()
				t.Fatalf("%q was not said", want)
			}
		}
	}
	answer()
	save("int x = ;\n")
	noted("fast.bpf.c:1:9: error: expected expression")
	noted("waiting for a file to be saved")
	save(string(program))
	answer()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	noted("stopping")
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestWatchRefuses: what cannot be watched, or not so.
func TestWatchRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"xdp-dsr xdp-nat":         "neither xdp-dsr nor xdp-nat is a source or an object",
		"xdp-dsr none.bpf.c":      "neither",
		"xdp-dsr a.bpf.c --gate":  "not with --gate",
		"xdp-dsr a.bpf.c --out r": "not with",
	} {
		if code, _, said := try(t, append([]string{"ab", "--watch"}, strings.Fields(args)...)...); code != codeUsage || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, %q", args, code, said)
		}
	}
}
