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
// break its law. A verdict of a control that keeps its law is Failed.
func TestLawsFindBugs(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("takes minutes: make soak runs it")
	}
	dir := filepath.Join(t.TempDir(), "run")
	c, said := command(t, t.TempDir(), "run", "cc", "--target", "exact", "--profile", "laws",
		"--workload", "sawtooth,ecn", "--variants", "bpf-reno-mild,bpf-cubic-steep,bpf-dctcp-hasty", "--out", dir)
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
	for _, law := range []string{"reno-period", "cubic-k", "dctcp-throughput"} {
		if !found[law] {
			t.Errorf("the planted bug does not break %s: %+v", law, verdict.Analyze(r).Laws)
		}
	}
}
