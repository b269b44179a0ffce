// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRemoveTemp: what a killed writer left goes, what is written now and other files stay, and a folder may be missing.
func TestRemoveTemp(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * tempAge)
	for name, changed := range map[string]time.Time{tempPrefix + "A-old": old, tempPrefix + "B-new": time.Now(), "report.html": old} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, folder := range []string{".", "plots"} {
		if err := RemoveTemp(root, folder); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]bool{tempPrefix + "A-old": false, tempPrefix + "B-new": true, "report.html": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}

// TestAny: a run directory that lost its head is still one, other folders are none.
func TestAny(t *testing.T) {
	for name, want := range map[string]bool{EnvFile: true, samplesFile: true, "README.md": false, benchFile: false} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if Any(dir) != want {
			t.Errorf("a folder with %s: %v, want %v", name, !want, want)
		}
	}
}
