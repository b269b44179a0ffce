// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	"github.com/kxlab/kxlab/vm"
)

// A guestTest is tests that run in a guest.
type guestTest struct {
	name  string // of the subtest
	run   string // for -test.run
	cpus  int
	exact *vm.Exact
	env   []string
	tools []string
	check func(t *testing.T, out string) // of what the tests print; nil: none may be skipped
}

// TestSchedulersInGuest boots the lab's kernel and runs the tests TestGuest… in it: under load on two CPUs; and on one CPU whose clock counts
// instructions the cost of a switch, the gate and schedulers of programs, and TestSched with the tools in the image, which tries the
// tracepoint and sched_ext's files. In make soak the gate alone runs, of the schedulers that make test leaves out.
func TestSchedulersInGuest(t *testing.T) {
	if labtest.Soak() {
		runInGuests(t, 8*time.Minute, []guestTest{{name: "exact", run: "^TestGuestGate$", cpus: 1, exact: &vm.Exact{Seed: 1}, env: []string{restEnv + "=1"}}})
		return
	}
	e, err := experiments.Open("sched", experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	runInGuests(t, 8*time.Minute, []guestTest{
		{name: "hold", run: "^TestGuest(SchedulersHold|Stall|NeverDispatches|Errors|Killed)$", cpus: 2},
		{name: "exact", run: "^Test(Sched|Guest(SwitchCost|Gate|Program))$", cpus: cmp.Or(e.Guest.ExactCPUs, e.Guest.CPUs), exact: &vm.Exact{Seed: 1}, tools: e.Guest.Tools,
			check: checkSched},
	})
}

// checkSched fails unless all of TestSched ran but the changing of schedulers, because it tries the kernel's own alone, and so did the tests beside it.
func checkSched(t *testing.T, out string) {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "--- SKIP") && !strings.Contains(line, "TestSched/switch") {
			t.Errorf("in the guest: %s", strings.TrimSpace(line))
		}
	}
	for _, name := range []string{"TestSched/timeline", "TestGuestSwitchCost", "TestGuestGate", "TestGuestProgram"} {
		if !strings.Contains(out, "--- PASS: "+name+" ") {
			t.Errorf("%s was not tried", name)
		}
	}
}

// TestWrongSchedulersInGuest runs the gate under schedulers that are wrong on purpose.
func TestWrongSchedulersInGuest(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("takes a minute: make soak runs it")
	}
	runInGuests(t, 8*time.Minute, []guestTest{
		{name: "1cpu", run: "^TestGuestWrong$", cpus: 1, exact: &vm.Exact{Seed: 1}},
		{name: "2cpu", run: "^TestGuestWrong$", cpus: 2}, // affinity means nothing on one CPU
	})
}

// TestEndurance runs the gate under every scheduler for as long as make endurance asks for.
func TestEndurance(t *testing.T) {
	if !endurance() {
		t.Skip("takes minutes: make endurance runs it")
	}
	env := []string{enduranceEnv + "=1"}
	runInGuests(t, 30*time.Minute, []guestTest{
		{name: "1cpu", run: "^TestGuestGate$", cpus: 1, exact: &vm.Exact{Seed: 1}, env: env},
		{name: "2cpu", run: "^TestGuestGate$", cpus: 2, env: env},
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
				cmd := &vm.Cmd{Kernel: k, CPUs: test.cpus, Exact: test.exact, OneThread: true, Tools: test.tools, Stdout: &out, Stderr: &out,
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
			switch {
			case test.check != nil:
				test.check(t, out.String())
			case strings.Contains(out.String(), "--- SKIP") || !strings.Contains(out.String(), "--- PASS"):
				t.Error("not all tests ran in the guest")
			}
		})
	}
}
