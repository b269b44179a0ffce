// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// onKernels is an answer on two kernels, on which the changed variant is slower by two factors.
func onKernels(t *testing.T, one, two float64) Kernels {
	t.Helper()
	k := Kernels{Names: []string{"6.12", "7.2"}}
	for _, slow := range []float64{one, two} {
		a, b := synthetic.ExactPair(1, slow, 0.0001)
		k.Answers = append(k.Answers, AB{A: "a", B: "b", Comparison: mustCompareRuns(t, a, b), Gates: []string{"A: passed"}, Differences: []string{"syn: returns 1 | 2"}})
	}
	return k
}

// TestWriteKernels: each kernel has a sentence and a column, and a line names the rows in which they differ, and no others.
func TestWriteKernels(t *testing.T) {
	for name, c := range map[string]struct {
		one, two float64
		want     []string
		not      string
	}{
		"same": {1.05, 1.05, []string{"6.12: The outputs of a and b differ for 1 input. b has 5.0 % more sec/pkt than a [", "\n7.2: The outputs of a and b differ for 1 input. b has 5.0 % more sec/pkt than a [", "\nBetween the kernels none of "}, "  differ\n"},
		"larger": {1.05, 1.10, []string{"\n7.2: The outputs of a and b differ for 1 input. b has 10.0 % more", " rows differ: ", "(-4.8 %, -9.1 %)", "  differ\n",
			"Correctness\n  6.12: A: passed\n  7.2: A: passed\n", "  6.12: syn: returns 1 | 2\n"}, ""},
		"opposite": {1.05, 1 / 1.05, []string{"better (", "worse (", " rows differ: ", "and "}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := onKernels(t, c.one, c.two)
			var out strings.Builder
			if err := WriteKernels(&out, k, "text"); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in\n%s", want, out.String())
				}
			}
			if c.not != "" && strings.Contains(out.String(), c.not) {
				t.Errorf("%q in\n%s", c.not, out.String())
			}
			for _, r := range k.aligned() { // of variants that did not change nothing differs
				if want := c.one != c.two && r.Cell.Variant == "xdp-jet"; r.Differs != want {
					t.Errorf("%s %s differs: %v", r.Name, r.Unit, r.Differs)
				}
			}
		})
	}
}

// TestWriteKernelsAlone: of A alone the columns are A's values, and rows differ where a later kernel changes them.
func TestWriteKernelsAlone(t *testing.T) {
	for slow, want := range map[float64]string{1.05: " rows differ: ", 1: "Between the kernels none of "} {
		k := onKernels(t, slow, slow)
		k.Alone, k.Answers = true, k.Answers[1:]
		k.Answers[0].A, k.Answers[0].B = "a on 6.12", "a on 7.2"
		var out strings.Builder
		if err := WriteKernels(&out, k, "markdown"); err != nil || !strings.Contains(out.String(), want) ||
			!regexp.MustCompile(`\| 6.12 +\| 7.2 +\| 7.2 against 6.12 +\|`).MatchString(out.String()) || strings.Contains(out.String(), "7.2: A: passed") {
			t.Errorf("%v: %s\nwant %s", err, out.String(), want)
		}
	}
}

// TestWriteKernelsJSON: the document has a comparison a kernel, and says of each row whether it differs.
func TestWriteKernelsJSON(t *testing.T) {
	var out strings.Builder
	if err := WriteKernels(&out, onKernels(t, 1.05, 1.10), "json"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kernels []string
		Between string
		Answers []struct {
			Kernel     string
			Comparison struct {
				Rows      []verdict.Row
				Regressed bool
			}
		}
		Rows []struct {
			Cell    string
			Differs bool
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	differ := 0
	for _, r := range got.Rows {
		if r.Differs {
			differ++
		}
	}
	if len(got.Kernels) != 2 || len(got.Answers) != 2 || got.Answers[1].Kernel != "7.2" || !got.Answers[1].Comparison.Regressed ||
		len(got.Answers[0].Comparison.Rows) != len(got.Rows) || differ == 0 || differ == len(got.Rows) {
		t.Errorf("%.600s", out.String())
	}
}

// TestMissingOnAKernel: a row that one kernel lacks is said, and stands in the table without a number.
func TestMissingOnAKernel(t *testing.T) {
	k := onKernels(t, 1.05, 1.05)
	c := k.Answers[1].Comparison
	c.Rows = c.Rows[1:]
	var out strings.Builder
	if err := WriteKernels(&out, k, "text"); err != nil || !strings.Contains(out.String(), "; 1 have no number on one of them.") || !strings.Contains(out.String(), "  –\n") {
		t.Errorf("%v: %s", err, out.String())
	}
}
