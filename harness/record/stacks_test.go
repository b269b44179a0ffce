// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness/profile"
)

// TestStacks: profiles are read as they were written; another version is left out, and damage is an error.
func TestStacks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	cell := testTrial(0).Cell
	want := []profile.Profile{{Cell: cell.BenchName(), Kind: profile.OffCPU, Unit: "ns", Window: 1e9, Per: "pkt", Work: 5, Notes: []string{"n"},
		Stacks: []profile.Stack{{Folded: "wrk;read;schedule_[k]", Value: 12.5}}}}
	if err := errors.Join(w.Stacks(want), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Stacks); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(dir, stacksFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"schema":1`, `"schema":2`, ""},
		{`"value":12.5`, `"value":-1`, "cannot be negative"},
		{`"off-CPU"`, `"of-CPU"`, "unknown kind of profile"},
		{cell.BenchName(), "nonsense", "nonsense"},
		{"}", "", "stacks.jsonl"},
	} {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(whole), c.old, c.new)), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir)
		switch {
		case c.want == "" && (err != nil || r.Stacks != nil || !strings.Contains(strings.Join(r.Remarks, " "), "version 2")):
			t.Errorf("another version: %v, %+v", err, r)
		case c.want != "" && (!errors.Is(err, errDamaged) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.new, err)
		}
	}
}
