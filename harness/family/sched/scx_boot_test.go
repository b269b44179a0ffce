// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/vm"
)

// TestSchedulersInGuest boots the lab's kernel and runs the tests TestGuest… in it: under load on two CPUs, and the cost
// of a switch on one CPU whose clock counts instructions.
func TestSchedulersInGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	k, err := vm.Open(ctx, "")
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(t.TempDir(), "attach.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", self, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	for _, test := range []struct {
		run   string
		cpus  int
		exact *vm.Exact
		env   []string
	}{
		{"^TestGuest(SchedulersHold|Stall|NeverDispatches|Errors|Killed)$", 2, nil, nil},
		{"^TestGuestSwitchCost$", 1, &vm.Exact{Seed: 1}, []string{exactEnv + "=1"}},
	} {
		t.Run(strings.Trim(test.run, "^$"), func(t *testing.T) {
			var out bytes.Buffer
			run := func() error {
				out.Reset()
				cmd := &vm.Cmd{Kernel: k, CPUs: test.cpus, Exact: test.exact, OneThread: true, Self: self, Stdout: &out, Stderr: &out,
					Env:  append(test.env, guestEnv+"=1"),
					Args: []string{"kxlab", "-test.run", test.run, "-test.v", "-test.timeout", "3m"}}
				return cmd.Run(ctx)
			}
			err := run()
			// On a loaded machine a guest may get so little of the CPU that its RCU complains: once is forgiven, twice is not.
			var exit *vm.ExitError
			if errors.As(err, &exit) && exit.Cause == vm.CauseSplat && strings.Contains(exit.Console, "rcu: INFO") {
				t.Logf("once more: %v", err)
				err = run()
			}
			if errors.Is(err, harness.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			t.Log(out.String())
			if strings.Contains(out.String(), "--- SKIP") || !strings.Contains(out.String(), "--- PASS") {
				t.Error("not all tests ran in the guest")
			}
		})
	}
}
