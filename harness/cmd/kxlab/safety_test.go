// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// TestFaults: a hang, an oops and harmless faults are results, and the run goes on after each guest that died. A hang is noticed long
// before a guest counts as silent.
func TestFaults(t *testing.T) {
	needsGuests(t)
	dir := t.TempDir()
	began := time.Now()
	cmd, errs := command(t, dir, "run", "safety", "--profile", "smoke", "--workload", "fault", "--out", "r", "--fresh")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v:\n%s", err, errs)
	}
	if took := time.Since(began); took > 5*time.Minute {
		t.Errorf("it took %v", took)
	}
	r, err := record.Open(filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tr := range r.Trials {
		for _, m := range tr.Result.Metrics {
			got[tr.Cell.Variant+" "+tr.Cell.Axis("by")] = harness.Fate(m.Value).String()
		}
		for _, s := range tr.Result.Series {
			if tr.Cell.Variant == "loop-nested" && !strings.Contains(s.Notes, "soft lockup") {
				t.Errorf("the hang: %q, want the kernel's words", s.Notes)
			}
		}
	}
	want := map[string]string{
		"sound root": "harmless", "divide-zero root": "harmless", "loop-nested root": "hang", "sound module": "harmless", "unchecked module": "oops",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("fates %v, want %v", got, want)
	}
}

// TestWrongExpectations plants three: another fate, other words, another value. Each fails by name, and the run exits with 1.
func TestWrongExpectations(t *testing.T) {
	needsGuests(t)
	if have, _ := filepath.Glob("/usr/bin/clang*"); len(have) == 0 {
		t.Skip("there is no clang")
	}
	dir := t.TempDir()
	yaml := "name: wrong\nextends: safety\nkeep: [sound]\nvariants:\n"
	plants := []struct{ name, from, right, wrong string }{
		{"wrong-fate", "unchecked", `"root refused: invalid mem access 'map_value_or_null'"`, `"root harmless"`},
		{"wrong-words", "unchecked", `invalid mem access 'map_value_or_null'`, `R1 !read_ok`},
		{"wrong-value", "divide_zero", `"root harmless 0"`, `"root harmless 1"`},
	}
	for _, p := range plants {
		raw, err := os.ReadFile(filepath.Join("../../../bpf/safety", p.from+".bpf.c"))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(raw), p.right, p.wrong, 1)
		if text == string(raw) {
			t.Fatalf("%s does not say %s", p.from, p.right)
		}
		file := p.name + ".bpf.c"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		yaml += fmt.Sprintf("  - {name: %s, class: planted, attach: fault, source: ./%s, about: planted}\n", p.name, file)
	}
	if err := os.WriteFile(filepath.Join(dir, "wrong.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, errs := command(t, dir, "run", "./wrong.yaml", "--profile", "full", "--workload", "fault", "--axis", "by=root", "--out", "r")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != codeFailed {
		t.Fatalf("the run: %v, want exit code %d:\n%s", err, codeFailed, errs)
	}
	for _, p := range plants {
		if !strings.Contains(errs.String(), "fault "+p.name+" by root: kernel ") {
			t.Errorf("%s is not named:\n%s", p.name, errs)
		}
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "r", record.EnvFile)); strings.Count(string(raw), `"fate": "refused"`) != 2 || strings.Count(string(raw), `"fate": "harmless"`) != 1 {
		t.Errorf("the record does not have the fates that were found, %v", err)
	}
	if strings.Contains(errs.String(), "fault sound ") {
		t.Errorf("sound failed:\n%s", errs)
	}
}
