// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestLawsFindBugs measures ports with a planted bug in exact guests (the decrease of Reno, C of CUBIC, g of DCTCP): each must
// break its law. A verdict of a control that keeps its law is Failed.
func TestLawsFindBugs(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests")
	}
	dir := filepath.Join(t.TempDir(), "run")
	c := exec.CommandContext(t.Context(), static(t, "kxlab", "build", "."), "run", "cc", "--target", "exact", "--profile", "laws", "--fresh",
		"--workload", "sawtooth,ecn", "--variants", "bpf-reno-mild,bpf-cubic-steep,bpf-dctcp-hasty", "--out", dir)
	said, err := c.CombinedOutput()
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
