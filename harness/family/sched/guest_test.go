// SPDX-License-Identifier: Apache-2.0

package sched_test

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
	"github.com/kxlab/kxlab/vm"
)

// TestSchedInGuest runs TestSched in a guest whose clock counts instructions, where the tracepoint, sched_ext's files and
// the tools in the image are tried as well.
func TestSchedInGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest")
	}
	e, err := experiments.Open("sched", experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
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
	var out bytes.Buffer
	cmd := &vm.Cmd{Kernel: k, CPUs: cmp.Or(e.Guest.ExactCPUs, e.Guest.CPUs), Exact: &vm.Exact{Seed: 1}, Tools: e.Guest.Tools, Stdout: &out, Stderr: &out,
		Args: []string{"kxlab", "-test.run", "^TestSched$", "-test.v", "-test.timeout", "2m"}}
	err = cmd.Run(ctx)
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	// Only the kernel's own scheduler is tried, so only the changing of schedulers may be left out.
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "--- SKIP") && !strings.Contains(line, "TestSched/switch") {
			t.Errorf("in the guest: %s", strings.TrimSpace(line))
		}
	}
	if !strings.Contains(out.String(), "--- PASS: TestSched/timeline") {
		t.Errorf("the timeline was not tried:\n%s", out.String())
	}
}
