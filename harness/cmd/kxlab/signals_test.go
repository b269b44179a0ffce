// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestErrorText: an interrupted command says so once, and what else went wrong stays.
func TestErrorText(t *testing.T) {
	canceled := context.Canceled
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("no space"), "no space"},
		{canceled, "interrupted"},
		{fmt.Errorf("the run in D is incomplete: %w", errors.Join(canceled, canceled)), "the run in D is incomplete: interrupted"},
		{fmt.Errorf("the run in D is incomplete: %w", errors.Join(canceled, fmt.Errorf("start guest: %w", canceled))), "the run in D is incomplete: interrupted"},
		{errors.Join(fmt.Errorf("guest was stopped: %w", canceled), canceled, errors.New("no space")), "guest was stopped: interrupted\nno space"},
	} {
		if got := errorText(tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestSignalEndsReaders: a command with nothing to tidy up ends at the first signal, whatever it waits for.
func TestSignalEndsReaders(t *testing.T) {
	runDir, err := filepath.Abs("../../../results/sched-wide")
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, args := range [][]string{{"compare", runDir, runDir}, {"report", copyOf(t, runDir)}} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			full, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096) // the command's output blocks, because the pipe is not read
			if err != nil {
				t.Fatal(err)
			}
			cmd, errs := command(t, t.TempDir(), args...)
			cmd.Stdout = w
			if err := errors.Join(cmd.Start(), w.Close()); err != nil {
				t.Fatal(err)
			}
			// A write that does not fit whole waits, so that the pipe may stay a little less than full.
			for deadline, last := time.Now().Add(30*time.Second), -1; ; time.Sleep(300 * time.Millisecond) {
				n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
				if err != nil || time.Now().After(deadline) {
					t.Fatalf("%v: %d bytes written, %v: %s", args, n, err, errs)
				}
				if n > full/2 && n == last {
					break
				}
				last = n
			}
			killed := false
			late := time.AfterFunc(5*time.Second, func() { killed = cmd.Process.Kill() == nil })
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			late.Stop()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != codeFailed || killed || strings.Count(errs.String(), "interrupted") != 1 || strings.Contains(errs.String(), "tidying") {
				t.Errorf("%s after %v: %v, killed after 5 s: %v: %s", args[0], sig, err, killed, errs)
			}
		}
	}
}

// copyOf copies a run directory.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestInterruptedRun: a run that is interrupted says so once.
func TestInterruptedRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a run on the host does")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ways.yaml"), []byte(waysYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, _ := command(t, dir, "run", "./ways.yaml", "--out", "r", "--wait")
	cmd.Env, cmd.Stderr = append(cmd.Env, "WAY=slow"), nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var said strings.Builder
	for b, sent := make([]byte, 4096), false; ; {
		n, err := stderr.Read(b)
		said.Write(b[:n])
		if !sent && strings.Contains("\n"+said.String(), "\nmeasuring\n") { // by waysStage, not by the wait for the lock
			sent = true
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			break
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != codeFailed {
		t.Errorf("%v: %s", err, said.String())
	}
	if strings.Count(said.String(), "the run in r is incomplete: interrupted") != 1 || strings.Contains(said.String(), "context canceled") ||
		strings.Count(said.String(), "interrupted") != 1 {
		t.Error(said.String())
	}
}

// TestFIFOs: no file that a user names makes a command wait for a writer that may never come.
func TestFIFOs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x.yaml", "x.pcap", "x.bin", "x.bpf.o", "x.bpf.c", configFile} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{
		"list", // reads kxlab.yaml
		"list --config ../FOLDER/x.yaml",
		"run ../FOLDER/x.yaml",
		"list ../FOLDER/x.yaml",
		"ab ../FOLDER/x.bpf.o xdp-tx",
		"ab ../FOLDER/x.bpf.c xdp-tx",
		"ab count-hash count-array --like prog --input ../FOLDER/x.pcap",
		"ab count-hash count-array --like prog --input ../FOLDER/x.yaml",
		"ab count-hash count-array --like prog --input ../FOLDER/x.bin",
		"ab count-hash count-array --like prog --maps ../FOLDER/x.yaml",
	} {
		at := filepath.Join(filepath.Dir(dir), "elsewhere")
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if args == "list" {
			at = dir
		}
		words := strings.Fields(strings.ReplaceAll(args, "FOLDER", filepath.Base(dir)))
		cmd, errs := command(t, at, words...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		if !late.Stop() || err == nil || !strings.Contains(errs.String(), "not a regular file") {
			t.Errorf("%s: %v: %s", args, err, errs)
		}
	}
}
