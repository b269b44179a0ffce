// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestPreparedDirectory: a directory that another user prepared cannot make a run write elsewhere.
func TestPreparedDirectory(t *testing.T) {
	const precious = "precious"
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte(precious), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{benchFile, samplesFile, EnvFile, "." + EnvFile + ".tmp", tempPrefix + EnvFile} {
		dir := t.TempDir()
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if w, err := Create(dir, testEnv()); err == nil {
			w.Close()
		} else if !errors.Is(err, errNotEmpty) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(victim); string(got) != precious {
			t.Errorf("%s: the file elsewhere holds %q, %v", name, got, err)
		}
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := os.Symlink(victim, filepath.Join(dir, EnvFile)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(root, EnvFile, []byte("new")); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(victim); string(got) != precious {
		t.Errorf("WriteFile followed a link: %q", got)
	}
	if err := WriteFile(root, "../escaped", []byte("new")); err == nil {
		t.Error("WriteFile left its directory")
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("%d files in the directory, want 1", len(names))
	}
}

// TestOutcomeFate: a fate that is none is damage of the record.
func TestOutcomeFate(t *testing.T) {
	for fate, good := range map[string]bool{"": true, "hang": true, "hung": false} {
		env := testEnv()
		env.fill()
		env.Outcomes = []CellOutcome{{Cell: testTrial(0).Cell.BenchName(), Outcome: harness.OutcomeFailed, Fate: fate}}
		if err := env.check(); (err == nil) != good {
			t.Errorf("fate %q: %v", fate, err)
		}
	}
}

// TestPlotName: a plot's name becomes a file's, on reading a record as on writing one.
func TestPlotName(t *testing.T) {
	for _, name := range []string{"../../x", "/x", "a/b", "..", "", "a\x00b"} {
		env := testEnv()
		env.Plots = []harness.PlotSpec{{Name: name}}
		if w, err := Create(filepath.Join(t.TempDir(), "x"), env); err == nil {
			w.Close()
			t.Errorf("a run with the plot %q was created", name)
		}
	}
	w, dir := create4(t)
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, EnvFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var env map[string]any
	if err := json.Unmarshal(raw, &env); err != nil {
		t.Fatal(err)
	}
	env["plots"] = []map[string]any{{"name": "../../x", "title": "t", "workload": "pps", "unit": "pkt/s"}}
	if raw, err = json.Marshal(env); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, raw, 0o644), os.Remove(filepath.Join(dir, sumsFile))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "../../x") {
		t.Errorf("read a record with the plot ../../x: %v", err)
	}
}
