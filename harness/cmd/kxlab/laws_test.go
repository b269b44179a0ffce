// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"testing"

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestLawsFindBugs measures ports with a planted bug in exact guests (the decrease of Reno, C of CUBIC, g of DCTCP): each must
// break its law. A verdict of a control that keeps its law is Failed. Make test plants the first alone, make soak all three.
func TestLawsFindBugs(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests")
	}
	workloads, variants, laws := "sawtooth", "bpf-reno-mild", []string{"reno-period"}
	if labtest.Soak() {
		workloads, variants = "sawtooth,ecn", "bpf-reno-mild,bpf-cubic-steep,bpf-dctcp-hasty"
		laws = append(laws, "cubic-k", "dctcp-throughput")
	}
	dir := filepath.Join(t.TempDir(), "run")
	c, said := command(t, t.TempDir(), "run", "cc", "--target", "exact", "--profile", "laws",
		"--workload", workloads, "--variants", variants, "--out", dir)
	err := c.Run()
	if c.ProcessState != nil && c.ProcessState.ExitCode() == codeNothing {
		t.Skipf("no exact guests here: %s", said)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	r, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, j := range verdict.Analyze(r).Laws {
		if j.Control && j.Outcome == verdict.Passed {
			found[j.Law.Name] = true
		}
	}
	for _, law := range laws {
		if !found[law] {
			t.Errorf("the planted bug does not break %s: %+v", law, verdict.Analyze(r).Laws)
		}
	}
}
