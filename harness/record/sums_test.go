// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kxlab/kxlab/harness/profile"
)

// TestSums: sha256sum agrees with what Finish wrote, and a run of which any one bit of any file is another is refused.
func TestSums(t *testing.T) {
	w, dir := create4(t)
	table := profile.Table{Cell: testTrial(0).Cell.BenchName(), Unit: "insn/pkt", Whole: 5}
	errs := []error{w.Gate(Gate{Variant: "a", Passed: true}), w.Functions([]profile.Table{table})}
	for i := range 4 {
		errs = append(errs, w.Trial(testTrial(i)))
	}
	if err := errors.Join(append(errs, w.Finish())...); err != nil {
		t.Fatal(err)
	}
	check := exec.Command("sha256sum", "--strict", "-c", sumsFile)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 4 {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	good := fstest.MapFS{}
	for _, name := range []string{benchFile, EnvFile, samplesFile, functionLines.file, sumsFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		good[name] = &fstest.MapFile{Data: data}
	}
	if _, err := open(good); err != nil {
		t.Errorf("the run itself: %v", err)
	}
	for name := range good {
		data := good[name].Data
		for at := 0; at < len(data); at += 1 + len(data)/97 {
			other := bytes.Clone(data)
			other[at] ^= 1 << (at % 7)
			if _, err := open(with(good, name, other)); err == nil {
				t.Errorf("%s: byte %d is %q instead of %q, and the run is read", name, at, other[at], data[at])
			}
		}
	}
	bench := string(good[benchFile].Data)
	for _, tt := range []struct {
		what, name string
		data       []byte // nil: the file is gone
		says       string
	}{
		{"another digit", benchFile, []byte(strings.Replace(bench, "7.1e+06", "9.1e+06", 1)),
			"run directory is damaged: bench.txt is not what the run wrote: restore it, or measure again"},
		{"cut at the end of a line", samplesFile, good[samplesFile].Data[:bytes.IndexByte(good[samplesFile].Data, '\n')+1], "samples.jsonl is not what the run wrote"},
		{"no samples", samplesFile, nil, "no samples.jsonl: restore it, or measure again"},
		{"a file that came later", stackLines.file, []byte("{}\n"), "SHA256SUMS does not list stacks.jsonl"},
		{"sums cut at the end of a line", sumsFile, good[sumsFile].Data[:bytes.IndexByte(good[sumsFile].Data, '\n')+1], "SHA256SUMS does not list"},
	} {
		if _, err := open(with(good, tt.name, tt.data)); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.says)
		}
	}
}

// with is a directory with another content of a file; nil: without it.
func with(dir fstest.MapFS, name string, data []byte) fstest.MapFS {
	out := fstest.MapFS{}
	for k, v := range dir {
		out[k] = v
	}
	out[name] = &fstest.MapFile{Data: data}
	if data == nil {
		delete(out, name)
	}
	return out
}

// TestOlder: a complete run without sums is read, unless it lacks samples. Of a run that was killed, one remark counts them.
func TestOlder(t *testing.T) {
	dir := finished(t)
	if err := os.Remove(filepath.Join(dir, sumsFile)); err != nil {
		t.Fatal(err)
	}
	if r, err := Open(dir); err != nil || len(r.Remarks) > 0 {
		t.Fatalf("a run without sums: %v, remarks %q", err, r.Remarks)
	}
	if err := os.Truncate(filepath.Join(dir, samplesFile), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "samples.jsonl lacks the samples of 4 trials in bench.txt") {
		t.Errorf("complete, without samples: %v", err)
	}
	env, err := os.ReadFile(filepath.Join(dir, EnvFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, EnvFile), bytes.Replace(env, []byte(`"complete": true`), []byte(`"complete": false`), 1), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Open(dir); err != nil || len(r.Remarks) != 1 || !strings.Contains(r.Remarks[0], "of 4 trials") {
		t.Errorf("killed, without samples: %v, remarks %q", err, r.Remarks)
	}
}

// TestRemedies: an error about a run directory is one line, and says how to go on.
func TestRemedies(t *testing.T) {
	dir := finished(t)
	if err := os.Remove(filepath.Join(dir, sumsFile)); err != nil {
		t.Fatal(err)
	}
	good := fstest.MapFS{}
	for _, name := range []string{benchFile, EnvFile, samplesFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		good[name] = &fstest.MapFile{Data: data}
	}
	env := string(good[EnvFile].Data)
	for _, tt := range []struct{ name, old, new, says string }{
		{EnvFile, `"schema": 1`, `"schema": 2`, "schema 2, this program reads 1: read it with the kxlab that wrote it, or measure again"},
		{EnvFile, `"schema": 1`, `"schema": "1"`, "env.json: schema is a string, want a number: restore it, or measure again"},
		{EnvFile, `"plan": 4`, `"plan": "4"`, "env.json: plan is a string, want a number: restore it"},
		{EnvFile, `"complete": true`, `"complete": {}`, "env.json: complete is an object, want true or false"},
		{EnvFile, `"experiment": "lb"`, `"experiment": "cc", "repeats": -1`, " (and 1 fault more): restore it, or measure again"},
		{benchFile, "", "", "no bench.txt: restore it, or measure again"},
	} {
		text := []byte(strings.Replace(env, tt.old, tt.new, 1))
		if tt.old == "" {
			text = nil
		}
		if _, err := open(with(good, tt.name, text)); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s -> %s: %v, want %q", tt.old, tt.new, err, tt.says)
		}
	}
}
