// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// inGuest skips a test outside a guest of the lab.
func inGuest(t *testing.T) {
	t.Helper()
	if os.Getenv(guestEnv) == "" {
		t.Skip("runs in a guest, where TestSchedulersInGuest starts it")
	}
}

// putScheduler puts a scheduler in force for the test.
func putScheduler(t *testing.T, v harness.Variant) Scheduler {
	t.Helper()
	s, err := tryScheduler(v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func tryScheduler(v harness.Variant) (Scheduler, error) {
	return methods(bpfobj.New(bpfobj.Options{}), true).Put(context.Background(), v, harness.Site{})
}

// ownInForce fails unless the kernel's own scheduler is in force, or comes to be soon.
func ownInForce(t *testing.T) {
	t.Helper()
	var err error
	for range 100 {
		var own Scheduler
		if own, err = newEEVDF(); err == nil {
			err = own.InForce()
		}
		if err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("afterwards: %v", err)
}

// startLoad runs processes until the test ends.
func startLoad(t *testing.T, roles ...string) {
	t.Helper()
	for _, role := range roles {
		c := roleCommand(role, "KXLAB_TEST_ROUNDS=1000000000")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Process.Kill()
			c.Wait()
		})
	}
}

// works are the schedulers that must hold under load.
var works = []string{"fifo", "vtime", "percpu", "interactive", "batch", "learned"}

// TestGuestSchedulersHold puts each scheduler in force under a mixed load for a while.
func TestGuestSchedulersHold(t *testing.T) {
	inGuest(t)
	for _, name := range works {
		t.Run(name, func(t *testing.T) {
			s := putScheduler(t, scx(name, harness.Knob{Name: "slice_us", Value: 2000}))
			startLoad(t, "spin", "spin", "spin", "sleep", "sleep", "fork", "ping")
			for range 2 {
				time.Sleep(500 * time.Millisecond)
				if err := s.InForce(); err != nil {
					t.Fatal(err)
				}
			}
			counts, err := s.Counters()
			if err != nil {
				t.Error(err)
			}
			for _, k := range slices.Sorted(maps.Keys(counts)) {
				t.Logf("%s %d", k, counts[k])
			}
			if _, err := tryScheduler(scx("fifo")); err == nil || !strings.Contains(err.Error(), s.Name()+" is in force already") {
				t.Errorf("a second scheduler: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if exit, ok := s.Exit(); !ok || exit.Failed() {
				t.Errorf("after Close: %+v, %v", exit, ok)
			}
			if s.InForce() == nil {
				t.Error("in force after Close")
			}
			ownInForce(t)
		})
	}
}

// TestGuestStall waits for the watchdog to end a scheduler that keeps its tasks.
func TestGuestStall(t *testing.T) {
	inGuest(t)
	s := putScheduler(t, scx("stall", harness.Knob{Name: "grace_ms", Value: 300}))
	startLoad(t, "spin", "sleep")
	exit, ok := s.Exit()
	for from := time.Now(); !ok && time.Since(from) < 30*time.Second; exit, ok = s.Exit() {
		time.Sleep(100 * time.Millisecond)
	}
	if !ok {
		t.Fatal("it was not ended")
	}
	t.Log(exit.Text())
	if exit.Kind != "stall" || exit.Reason == "" || exit.Message == "" || !exit.Failed() {
		t.Errorf("exit %s", exit)
	}
	if !strings.Contains(exit.Dump, "CPU states") || !strings.Contains(exit.Dump, "runnable") {
		t.Errorf("the dump does not show the CPUs and tasks:\n%s", exit.Dump)
	}
	var ejected *ejectedError
	if err := s.InForce(); !errors.As(err, &ejected) {
		t.Errorf("in force: %v", err)
	}
	ownInForce(t)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, ok := s.Exit(); !ok {
		t.Error("the exit is lost after Close")
	}
}

// TestGuestErrors puts schedulers in force that the kernel refuses or ends.
func TestGuestErrors(t *testing.T) {
	inGuest(t)
	t.Run("cpu", func(t *testing.T) {
		s := putScheduler(t, scx("stall", harness.Knob{Name: "fault", Value: 1}, harness.Knob{Name: "grace_ms", Value: 200}))
		exit, ok := s.Exit()
		for from := time.Now(); !ok && time.Since(from) < 20*time.Second; exit, ok = s.Exit() {
			time.Sleep(50 * time.Millisecond)
		}
		t.Log(exit.String(), exit.Backtrace)
		if exit.Kind != "error" || !strings.Contains(exit.Message, "CPU") || len(exit.Backtrace) == 0 {
			t.Errorf("a CPU that is not there: %+v", exit)
		}
		ownInForce(t)
	})
	for _, test := range []struct {
		what string
		v    harness.Variant
		want string
	}{
		{"flags", scx("fifo", harness.Knob{Name: "ops_flags", Value: 1 << 50}), "flags"},
		{"timeout", scx("fifo", harness.Knob{Name: "ops_timeout_ms", Value: 60000}), "timeout"},
		{"knob", scx("fifo", harness.Knob{Name: "slices", Value: 1}), "slice_us"},
		{"object", scx("fifth"), "no such object"},
		{"no scheduler", harness.Variant{Name: "x", Attach: "sched_ext", Object: "traffic/pass"}, "no struct of operations"},
	} {
		t.Run(test.what, func(t *testing.T) {
			s, err := tryScheduler(test.v)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want an error with %q", err, test.want)
			}
			t.Log(err)
			ownInForce(t)
		})
	}
	t.Run("host", func(t *testing.T) {
		_, err := methods(bpfobj.New(bpfobj.Options{}), false).Put(context.Background(), scx("fifo"), harness.Site{})
		if !errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("without leave: %v", err)
		}
	})
}

// TestGuestKilled kills the process that holds a scheduler.
func TestGuestKilled(t *testing.T) {
	inGuest(t)
	c := roleCommand("hold")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "in force\n" {
		t.Errorf("it says %q", line)
	}
	if s, err := sys.ReadSchedState(sys.SysSchedExt); err != nil || s.State != "enabled" {
		t.Errorf("before: %+v, %v", s, err)
	}
	c.Process.Kill()
	c.Wait()
	ownInForce(t)
}

// TestGuestSwitchCost compares a round trip over two pipes, two switches, under scx_fifo with one under the kernel's own scheduler. In a
// guest whose clock counts instructions, and with one CPU, nanoseconds are instructions.
func TestGuestSwitchCost(t *testing.T) {
	inGuest(t)
	measure := func() (ns int64) {
		t.Helper()
		out, err := roleCommand("ping", "KXLAB_TEST_ROUNDS=1000").Output()
		if err != nil {
			var exit *exec.ExitError
			errors.As(err, &exit)
			t.Fatalf("ping: %v %s", err, out)
		}
		if _, err := fmt.Sscan(string(out), &ns); err != nil {
			t.Fatal(err)
		}
		return ns
	}
	eevdf := measure()
	s := putScheduler(t, scx("fifo"))
	fifo := measure()
	t.Logf("%d CPUs; instructions a round trip: eevdf %d, fifo %d", runtime.NumCPU(), eevdf, fifo)
	if 2*fifo > 3*eevdf {
		t.Errorf("a round trip under scx_fifo takes %d instructions, more than 1.5 times eevdf's %d", fifo, eevdf)
	}
	if err := s.InForce(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
