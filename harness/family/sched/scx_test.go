// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// schedulers are the objects of family sched.
func schedulers(t *testing.T) []string {
	t.Helper()
	names := slices.DeleteFunc(bpf.Names(), func(n string) bool { return !strings.HasPrefix(n, "sched/scx_") })
	if len(names) == 0 {
		t.Fatal("there is no scheduler")
	}
	return names
}

// TestEverySchedulerParses checks what every scheduler must have, and its counters' names.
func TestEverySchedulerParses(t *testing.T) {
	for _, name := range schedulers(t) {
		ops, err := bpfobj.OpenSched(name)
		if err != nil {
			t.Fatal(err)
		}
		spec := ops.Spec
		for _, m := range []string{"name", "flags", "timeout_ms", "exit_dump_len"} {
			if _, err := ops.Field(m); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if v := spec.Variables[bpfobj.ExitVariable(spec)]; v == nil {
			t.Errorf("%s does not keep why it ended", name)
		}
		if v := spec.Variables["slice_us"]; v == nil || !v.Constant() {
			t.Errorf("%s has no knob slice_us", name)
		}
		if m := spec.Maps["stats"]; m != nil && len(bpfobj.SchedStatNames(spec)) != int(m.MaxEntries) {
			t.Errorf("%s: %d counters have %d names: %q", name, m.MaxEntries, len(bpfobj.SchedStatNames(spec)), bpfobj.SchedStatNames(spec))
		}
		if spec.Programs["record_exit"] == nil || spec.Programs["record_exit"].AttachTo != "sched_ext_ops:exit" {
			t.Errorf("%s: its exit callback is not record_exit", name)
		}
	}
}

// TestSchedulerHere: on this machine only its own scheduler can be put in force; a BPF one is a skip that names the targets.
func TestSchedulerHere(t *testing.T) {
	ctx := context.Background()
	own, err := methods(bpfobj.New(bpfobj.Options{}), false).Put(ctx, harness.Variant{Name: "eevdf", Attach: "eevdf"}, harness.Site{})
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := own.(Scheduler); !ok || s.Name() != "" {
		t.Errorf("%T", own)
	} else if _, ended := s.Exit(); ended {
		t.Error("the kernel's own scheduler ended")
	}
	if err := own.InForce(); err != nil {
		t.Error(err)
	}
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	_, err = methods(bpfobj.New(bpfobj.Options{}), false).Put(ctx, harness.Variant{Name: "scx-fifo", Attach: "sched_ext", Object: "sched/scx_fifo"}, harness.Site{})
	if !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "--target exact or vm") {
		t.Errorf("%v; want a skip that names the targets", err)
	}
}

func TestSchedExitText(t *testing.T) {
	e := SchedExit{Kind: "stall", Reason: "runnable task stall", Message: "cat[7] failed to run for 2.000s",
		Backtrace: []string{"check_rq+0x10"}, Dump: "CPU 0\n  R cat[7]\n"}
	want := "stall: runnable task stall: cat[7] failed to run for 2.000s\nbacktrace:\n  check_rq+0x10\ndump:\nCPU 0\n  R cat[7]\n"
	if diff := cmp.Diff(want, e.Text()); diff != "" {
		t.Error(diff)
	}
	// The error of a scheduler that was ended says all of it, below the reason.
	want = "scheduler x was ended by the kernel: runnable task stall: cat[7] failed to run for 2.000s\nbacktrace:\n  check_rq+0x10\ndump:\nCPU 0\n  R cat[7]"
	if diff := cmp.Diff(want, (&ejectedError{Name: "x", Exit: e}).Error()); diff != "" {
		t.Error(diff)
	}
	if !e.Failed() || (SchedExit{Kind: "unregistered"}).Failed() {
		t.Error("failed or not is mixed up")
	}
}
