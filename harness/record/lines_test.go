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

// A damage is what a line is changed to, and what is then said; empty: another version, which is left out with a remark.
type damage struct{ old, new, want string }

// TestFunctions: tables by function are read as they were written; another version is left out, and damage is an error.
func TestFunctions(t *testing.T) {
	cell := testTrial(0).Cell.BenchName()
	want := []profile.Table{{Cell: cell, Unit: "insn/pkt", Whole: 12.5, Functions: []profile.Function{{Name: "ip_rcv", Value: 10}, {Name: "f [bpf]", Value: 2.5}}}}
	testLines(t, "functions.jsonl", want, (*Writer).Functions, func(r *Run) []profile.Table { return r.Functions },
		damage{`"whole":12.5`, `"whole":-1`, "cannot be negative"})
}

// TestStacks: the same of profiles.
func TestStacks(t *testing.T) {
	cell := testTrial(0).Cell.BenchName()
	want := []profile.Profile{{Cell: cell, Kind: profile.OffCPU, Unit: "ns", Window: 1e9, Per: "pkt", Work: 5, Notes: []string{"n"},
		Stacks: []profile.Stack{{Folded: "wrk;read;schedule_[k]", Value: 12.5}}}}
	testLines(t, "stacks.jsonl", want, (*Writer).Stacks, func(r *Run) []profile.Profile { return r.Stacks },
		damage{`"value":12.5`, `"value":-1`, "cannot be negative"}, damage{`"off-CPU"`, `"of-CPU"`, "unknown kind of profile"})
}

func testLines[T any](t *testing.T, file string, want []T, write func(*Writer, []T) error, of func(*Run) []T, more ...damage) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(w, want), w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, of(r)); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(dir, file)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append(more, damage{`"schema":1`, `"schema":2`, ""}, damage{testTrial(0).Cell.BenchName(), "nonsense", "nonsense"}, damage{"}", "", file}) {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(whole), c.old, c.new)), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir)
		switch {
		case c.want == "" && (err != nil || of(r) != nil || !strings.Contains(strings.Join(r.Remarks, " "), "version 2")):
			t.Errorf("another version: %v, %+v", err, r)
		case c.want != "" && (!errors.Is(err, errDamaged) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.new, err)
		}
	}
}
