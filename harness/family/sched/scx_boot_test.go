// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	"github.com/kxlab/kxlab/vm"
)

// A guestTest is tests TestGuest… that run in a guest.
type guestTest struct {
	name  string // of the subtest
	run   string // for -test.run
	cpus  int
	exact *vm.Exact
	env   []string
}

// TestSchedulersInGuest boots the lab's kernel and runs the tests TestGuest… in it: under load on two CPUs, and the cost
// of a switch, the gate and schedulers of programs on one CPU whose clock counts instructions. In make soak the gate alone runs, of the
// schedulers that make test leaves out.
func TestSchedulersInGuest(t *testing.T) {
	if labtest.Soak() {
		runInGuests(t, 8*time.Minute, []guestTest{{"exact", "^TestGuestGate$", 1, &vm.Exact{Seed: 1}, []string{restEnv + "=1"}}})
		return
	}
	runInGuests(t, 8*time.Minute, []guestTest{
		{"hold", "^TestGuest(SchedulersHold|Stall|NeverDispatches|Errors|Killed)$", 2, nil, nil},
		{"exact", "^TestGuest(SwitchCost|Gate|Program)$", 1, &vm.Exact{Seed: 1}, nil},
	})
}

// TestWrongSchedulersInGuest runs the gate under schedulers that are wrong on purpose.
func TestWrongSchedulersInGuest(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("takes a minute: make soak runs it")
	}
	runInGuests(t, 8*time.Minute, []guestTest{
		{"1cpu", "^TestGuestWrong$", 1, &vm.Exact{Seed: 1}, nil},
		{"2cpu", "^TestGuestWrong$", 2, nil, nil}, // affinity means nothing on one CPU
	})
}

// TestEndurance runs the gate under every scheduler for as long as make endurance asks for.
func TestEndurance(t *testing.T) {
	if !endurance() {
		t.Skip("takes minutes: make endurance runs it")
	}
	env := []string{enduranceEnv + "=1"}
	runInGuests(t, 30*time.Minute, []guestTest{
		{"1cpu", "^TestGuestGate$", 1, &vm.Exact{Seed: 1}, env},
		{"2cpu", "^TestGuestGate$", 2, nil, env},
	})
}

// runInGuests runs each of the tests in a guest of its own.
func runInGuests(t *testing.T, limit time.Duration, tests []guestTest) {
	t.Helper()
	k := inguest.Kernel(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			run := func() error {
				out.Reset()
				cmd := &vm.Cmd{Kernel: k, CPUs: test.cpus, Exact: test.exact, OneThread: true, Stdout: &out, Stderr: &out,
					Env:  append(test.env, guestEnv+"=1"),
					Args: []string{"kxlab", "-test.run", test.run, "-test.v", "-test.timeout", limit.String()}}
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
