// SPDX-License-Identifier: Apache-2.0

package experiments_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/experiments"
)

// TestWrite: every shipped definition is the same after it was written and read; words that look like other things keep their quotes.
func TestWrite(t *testing.T) {
	for _, name := range experiments.Names() {
		want, err := experiments.Open(name, experiments.Vocabulary{})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := experiments.Write(&out, want); err != nil {
			t.Fatal(err)
		}
		got, err := experiments.Parse(name+".yaml", []byte(out.String()), experiments.Vocabulary{})
		if err != nil {
			t.Fatalf("%v in:\n%s", err, out.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	odd := strings.NewReplacer("A title", `"0.10"`, "A question", `"null"`, "values: [64]", `values: ["0x10", "yes", "true", 1e3]`).Replace(good)
	want, err := experiments.Parse("t.yaml", []byte(odd), vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := experiments.Write(&out, want); err != nil {
		t.Fatal(err)
	}
	got, err := experiments.Parse("t.yaml", []byte(out.String()), vocabulary)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, out.String())
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Title != "0.10" || got.Workloads[0].Axes[1].Values[0] != "0x10" {
		t.Errorf("%s\n%s", diff, out.String())
	}
}
