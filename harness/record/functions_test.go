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

// TestFunctions: tables by function are read as they were written; another version is left out, and damage is an error.
func TestFunctions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	cell := testTrial(0).Cell
	want := []profile.Table{{Cell: cell.BenchName(), Unit: "insn/pkt", Whole: 12.5, Functions: []profile.Function{{Name: "ip_rcv", Value: 10}, {Name: "f [bpf]", Value: 2.5}}}}
	if err := errors.Join(w.Functions(want), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Functions); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(dir, functionsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"schema":1`, `"schema":2`, ""},
		{`"whole":12.5`, `"whole":-1`, "cannot be negative"},
		{cell.BenchName(), "nonsense", "nonsense"},
		{"}", "", "functions.jsonl"},
	} {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(whole), c.old, c.new)), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir)
		switch {
		case c.want == "" && (err != nil || r.Functions != nil || !strings.Contains(strings.Join(r.Remarks, " "), "version 2")):
			t.Errorf("another version: %v, %+v", err, r)
		case c.want != "" && (!errors.Is(err, errDamaged) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.new, err)
		}
	}
}
