// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/vm"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestMain lets the test binary be the program itself, for tests that need a process of their own, and for what it is in guests.
func TestMain(m *testing.M) {
	vm.Guest()
	if len(os.Args) > 1 && os.Args[1] == load.Command || len(os.Args) == 2 && os.Args[1] == "inside" || os.Getenv("BE_KXLAB") != "" {
		os.Unsetenv("BE_KXLAB")
		program(withDeaths())
		return
	}
	testscript.Main(m, map[string]func(){"kxlab": func() { program(withDeaths()) }})
}

// command is the program with arguments, in a folder of its own.
func command(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env, cmd.Dir = append(os.Environ(), "BE_KXLAB=1", "KXLAB_FRESH=true"), dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	return cmd, &errs
}

// openFolder is a temporary folder that others than root can enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kxlab-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Without root a run says so before it does anything.
func TestRunWithoutRoot(t *testing.T) {
	dir := openFolder(t)
	for _, args := range [][]string{{"run", "lb"}, {"bench"}, {"ab", "xdp-nat", "xdp-nat,flow_entries=4096", "--target", "host"}, {"clean"}} {
		cmd, errs := command(t, dir, args...)
		if os.Geteuid() == 0 {
			// The test binary may lie where only root can go.
			cmd.Path = filepath.Join(dir, "kxlab")
			if err := copyFile(os.Args[0], cmd.Path); err != nil {
				t.Fatal(err)
			}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != codeNothing || !strings.Contains(errs.String(), "sudo") {
			t.Errorf("%v: %v: %s", args, err, errs)
		}
		if _, err := os.Stat(filepath.Join(dir, "results")); err == nil {
			t.Errorf("%v: a run directory was made", args)
		}
	}
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o755)
}

// A run that is interrupted stops within a second, takes down what it set up, and leaves a record that is valid and
// says that it is incomplete; a second run at the same time is told who measures.
func TestRunInterrupted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if testing.Short() {
		t.Skip("measures for some seconds")
	}
	dir := t.TempDir()
	cmd, errs := command(t, dir, "run", "lb", "--profile", "smoke", "--variants", "forward,xdp-tx", "--workload", "pps",
		"--repeat", "500", "--out", "r", "--wait", "--json")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	if err := firstTrial(stdout); err != nil {
		cmd.Wait()
		t.Fatalf("no trial came: %v: %s", err, errs)
	}

	code, _, said := try(t, "run", "lb", "--out", filepath.Join(dir, "second"))
	if code != codeFailed || !strings.Contains(said, strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("second run: exit code %d: %s", code, said)
	}

	began := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go func() { // as a shell would: keep reading what it writes
		var b [4096]byte
		for {
			if _, err := stdout.Read(b[:]); err != nil {
				return
			}
		}
	}()
	err = cmd.Wait()
	took := time.Since(began)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != codeFailed || !strings.Contains(errs.String(), "incomplete") {
		t.Errorf("%v: %s", err, errs)
	}
	t.Logf("stopped and tidied up in %v", took)
	if took > 3*time.Second { // one to stop, and some to tidy up on a machine that is busy
		t.Errorf("took %v to stop", took)
	}
	r, err := record.Open(filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Env.Complete || len(r.Trials)+len(r.Env.Rejected) == 0 || r.Env.Plan < 500 {
		t.Errorf("%s, %d trials, planned %d", r.State(), len(r.Trials), r.Env.Plan)
	}
	left, _ := filepath.Glob("/run/netns/kxlab-" + strconv.Itoa(cmd.Process.Pid) + "-*")
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// firstTrial reads until a line tells of a measurement.
func firstTrial(r interface{ Read([]byte) (int, error) }) error {
	var all []byte
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		all = append(all, b[:n]...)
		if bytes.Contains(all, []byte(`"event":"trial"`)) || bytes.Contains(all, []byte(`"event":"reject"`)) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
