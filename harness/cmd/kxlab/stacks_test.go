// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/flame"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

func TestUnitOfWork(t *testing.T) {
	for units, want := range map[string]string{
		"pkt/s cpu-ns/pkt": "pkt", "switch/s forced-switch/s req/s": "req", "sec/op insn/op": "op", "bit/s p50-rtt-sec insn/seg": "seg",
		"broken/op": "", "switch/s p99-sec": "", "": "",
	} {
		metrics := harness.Map(strings.Fields(units), func(u string) harness.Metric { return harness.Metric{Unit: u} })
		if got := unitOfWork(metrics); got != want {
			t.Errorf("%s: %q, want %q", units, got, want)
		}
	}
}

// TestBestAttempt: an attempt that counts comes before those that do not, and these before none.
func TestBestAttempt(t *testing.T) {
	attempt := func(cell, invalid string, windows int) runner.CountedTrial {
		return runner.CountedTrial{Cell: cell, Invalid: invalid, Result: harness.Result{Stacks: &harness.Stacks{Windows: windows}}}
	}
	off, good := attempt("c", "off rate", 1), attempt("c", "", 2)
	for _, c := range []struct {
		attempts []runner.CountedTrial
		windows  int
		said     string
	}{
		{[]runner.CountedTrial{attempt("d", "", 5), off, good, off}, 2, ""},
		{[]runner.CountedTrial{off, attempt("c", "off rate", 3)}, 3, ""},
		{[]runner.CountedTrial{{Cell: "c", Invalid: "no perf events"}}, 0, "c: no perf events"},
		{[]runner.CountedTrial{attempt("c", "", 0)}, 0, "c: the workload does not say when it measures"},
		{[]runner.CountedTrial{attempt("d", "", 1)}, 0, "c: no trial was made"},
	} {
		best, err := bestAttempt(c.attempts, "c")
		if c.said == "" && (err != nil || best.Result.Stacks.Windows != c.windows) || c.said != "" && (err == nil || err.Error() != c.said) {
			t.Errorf("%+v: %+v, %v; want %d windows, %q", c.attempts, best, err, c.windows, c.said)
		}
	}
}

// TestStacksExact: an exact guest gives profiles, pictures and pprof files in which the work of each balancer is named; in make soak a
// second one gives the same.
func TestStacksExact(t *testing.T) {
	needsGuests(t)
	words := vocabulary()
	e, err := open("lb", words)
	if err != nil {
		t.Fatal(err)
	}
	sel := runner.Selection{Profile: "smoke", Target: harness.TargetExact, Variants: []string{"iptables", "xdp-nat"}, Workloads: []string{"pps"}, WithoutAA: true,
		Axes: []harness.Axis{{Name: "rate", Values: []string{"0"}}, {Name: "flows", Values: []string{"64"}}}}
	j, err := newJob(e, sel, words)
	if err != nil {
		t.Fatal(err)
	}
	f := runFlags{profile: "smoke", target: harness.TargetExact, snapshots: true, silence: vm.SilenceTime, seed: 1}
	if j.guests, err = openGuests(t.Context(), j, f); err != nil {
		t.Fatal(err)
	}
	var cells []string
	for _, g := range j.plan.Groups {
		for _, b := range g.Blocks {
			cells = append(cells, harness.Map(b.Cells, harness.Cell.BenchName)...)
		}
	}
	written := make([]bytes.Buffer, 1, 2)
	if labtest.Soak() {
		written = written[:2]
	}
	var profiles []profile.Profile
	for i := range written {
		var errs []error
		if profiles, errs = j.sampleStacks(t.Context(), f, cells, func(runner.CountedTrial) string { return "" }); len(errs) > 0 || len(profiles) != 4 {
			t.Fatalf("%d profiles of %q: %v", len(profiles), cells, errs)
		}
		for _, p := range profiles {
			fmt.Fprintln(&written[i], p)
			if err := errors.Join(flame.Draw(&written[i], p.Cell, p), flame.WritePprof(&written[i], p)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(written[0].Bytes(), written[len(written)-1].Bytes()) {
		t.Error("two guests give other files")
	}
	for variant, want := range map[string]string{"iptables": "ipt_do_table", "xdp-nat": "xdp_nat [bpf]"} {
		p, ok := harness.Find(profiles, func(p profile.Profile) bool {
			return p.Kind == profile.OnCPU && strings.Contains(p.Cell, "variant="+variant+"/")
		})
		if !ok || p.Per != "pkt" || !strings.Contains(stacksText(p), "kxlab;") || !strings.Contains(stacksText(p), want) || len(p.Stacks) < 10 {
			t.Errorf("%s: %s is not among the stacks: %+v", variant, want, p)
		}
	}
}

func stacksText(p profile.Profile) string {
	return strings.Join(harness.Map(p.Stacks, func(s profile.Stack) string { return s.Folded }), "\n")
}

// TestStacksHost: on this machine a run and a comparison of two variants have stacks, too.
func TestStacksHost(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("needs root, and sends packets for some seconds")
	}
	dir := t.TempDir()
	cmd, errs := command(t, dir, "ab", "iptables", "xdp-nat", "--target", "host", "--stacks", "--workload", "pps", "--axis", "rate=0", "--axis", "flows=64",
		"--repeat", "2", "--out", "r", "--wait")
	if out, err := cmd.Output(); err != nil || !strings.Contains(errs.String(), "differential flame graphs are in r/stacks/against-iptables") {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	r, err := record.Open(filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Stacks) != 4 || !strings.Contains(stacksText(r.Stacks[0])+stacksText(r.Stacks[2]), "nf_nat") {
		t.Errorf("%d profiles, or nothing of netfilter in them: %v", len(r.Stacks), r.Env.Notes)
	}
	if notes := strings.Join(r.Env.Notes, "\n"); !strings.Contains(notes, "what the sampler adds, ") {
		t.Errorf("no number of what the sampler adds: %s", notes)
	}
	svg, err := filepath.Glob(filepath.Join(dir, "r", "stacks", "against-iptables", "*.on-cpu.svg"))
	if err != nil || len(svg) != 1 {
		t.Errorf("pictures %q, %v", svg, err)
	}
}
