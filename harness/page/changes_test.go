// SPDX-License-Identifier: Apache-2.0

package page

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestWriteChanges: only what changed is written, and nothing if nothing did.
func TestWriteChanges(t *testing.T) {
	a, b := synthetic.ExactPair(1, 1, 0)
	var out strings.Builder
	if err := WriteChanges(&out, mustCompareRuns(t, a, b), "text"); err != nil || out.Len() > 0 {
		t.Errorf("the same digits twice: %v, %q", err, out.String())
	}
	a, b = synthetic.ExactPair(1, 1.013, 0)
	if err := WriteChanges(&out, mustCompareRuns(t, a, b), "text"); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "/xdp-jet") || strings.Contains(s, "/xdp-nat") || !strings.Contains(s, "+1.3 %") {
		t.Errorf("xdp-jet became slower, xdp-nat did not:\n%s", s)
	}
}

func TestFine(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1142.4287: "1142.4", 0.00123456: "0.0012346", 312345678: "312345678", 99.9999: "100.000"} {
		if got := fine(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

// mustCompareRuns compares two runs that can be compared.
func mustCompareRuns(t *testing.T, a, b *record.Run) *verdict.Comparison {
	t.Helper()
	c, err := verdict.Compare(a, b, verdict.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
