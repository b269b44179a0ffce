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

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// TestExitCodes is the rule of exit codes: a code that a command gave wins; else what is lacking is 4, and all the rest 1. A fault beside
// something that is lacking is a fault.
func TestExitCodes(t *testing.T) {
	fault, lack := errors.New("the verifier rejected it"), harness.Skip("QEMU is not installed")
	for _, tt := range []struct {
		what string
		err  error
		code int
	}{
		{"nothing", nil, codeDone},
		{"fault", fault, codeFailed},
		{"interrupted", fmt.Errorf("run: %w", context.Canceled), codeFailed},
		{"lack", lack, codeNothing},
		{"lack, wrapped", fmt.Errorf("start guest: %w", lack), codeNothing},
		{"usage", usage(fault), codeUsage},
		{"usage about what is lacking", usage(lack), codeUsage},
		{"regression", fmt.Errorf("A: %w", withCode(codeRegression, fault)), codeRegression},
		{"program in a guest", guestEnd(&vm.ExitError{Code: 7}), 7},
		{"guest without a module", guestEnd(fmt.Errorf("start guest: %w", lack)), codeNothing},
		{"guest that panics", guestEnd(&vm.ExitError{Cause: vm.CausePanic}), codeFailed},
		{"runs: one lacks, one is well", worst([]error{lack, nil}), codeDone},
		{"runs: all lack", worst([]error{lack, fmt.Errorf("B: %w", lack)}), codeNothing},
		{"runs: one lacks, one fails", worst([]error{lack, fault}), codeFailed},
	} {
		if code := codeOf(tt.err); code != tt.code {
			t.Errorf("%s: %d, want %d", tt.what, code, tt.code)
		}
	}
}

// TestLacks: what this machine or kernel lacks is 4 in every command, also if the user misspelt its name.
func TestLacks(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("x.bpf.c", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   string
		want   string
		guests bool // needs a kernel and QEMU
	}{
		{"ab x.bpf.c xdp-tx --clang clung", "clung", false},
		{"vm run --modules ip_vss -- true", "has no module ip_vss", true},
		{"vm run --tools trou -- true", "program trou is not installed", true},
		{"vm run -- trou", "program trou is not installed", true},
		{"vm run --memory 1000000000 -- true", "available", true},
	} {
		t.Run(tt.args, func(t *testing.T) {
			if tt.guests {
				needsGuests(t)
			}
			code, _, said := try(t, strings.Fields(tt.args)...)
			if code != codeNothing || !strings.Contains(said, tt.want) {
				t.Errorf("exit code %d, want %d; said %q, want %q in it", code, codeNothing, said, tt.want)
			}
		})
	}
}

// TestWaitForLock: a command that waits for a lock says so once, and ends when it is interrupted.
func TestWaitForLock(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(cache.Env, dir)
	kernels, err := cache.Dir("kernels")
	if err != nil {
		t.Fatal(err)
	}
	held, err := cache.Lock(t.Context(), filepath.Join(kernels, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cmd, _ := command(t, dir, "vm", "fetch")
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var said strings.Builder
	var asked time.Time
	for b := make([]byte, 4096); ; {
		n, err := stderr.Read(b)
		said.Write(b[:n])
		if asked.IsZero() && strings.Contains(said.String(), "waiting for "+kernels) {
			asked = time.Now()
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if took := time.Since(asked); !errors.As(err, &exit) || exit.ExitCode() != codeFailed || took > 2*time.Second {
		t.Errorf("%v, %v after the signal: %s", err, took, said.String())
	}
	if n := strings.Count(said.String(), "waiting for"); n != 1 {
		t.Errorf("said %d times: %s", n, said.String())
	}
}

// TestShareOf: the guests' time on target exact is no share of this machine's, which it exceeds.
func TestShareOf(t *testing.T) {
	sum := runner.Summary{Measured: 40 * time.Second, Wall: 10 * time.Second}
	if got := shareOf(sum, harness.TargetExact); strings.Contains(got, "%") || !strings.Contains(got, "40s of the guests' time measured in 10s") {
		t.Error(got)
	}
	one := runner.Summary{Planned: 1, Valid: 1, Rejected: 1}
	if got := shareOf(one, harness.TargetHost); !strings.HasPrefix(got, "1 of 1 trial valid, 1 attempt rejected; ") {
		t.Error(got)
	}
	sum.Wall = 80 * time.Second
	if got := shareOf(sum, harness.TargetHost); !strings.Contains(got, "50 % of 1m20s spent measuring") {
		t.Error(got)
	}
}
