// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestRemoveTemp: what a killed writer left goes at once, what is written now and other files stay, and a folder may be missing.
func TestRemoveTemp(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{tempPrefix + "A-left", "report.html"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f, written, err := createTemp(root, "plot.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{".", "plots"} {
		if err := RemoveTemp(root, folder); err != nil {
			t.Error(err)
		}
	}
	check := func(all map[string]bool) {
		for name, want := range all {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil != want {
				t.Errorf("%s: %v, want it there: %v", name, err, want)
			}
		}
	}
	check(map[string]bool{tempPrefix + "A-left": false, written: true, "report.html": true})
	f.Close() // as its process ends
	if err := RemoveTemp(root, "."); err != nil {
		t.Error(err)
	}
	check(map[string]bool{written: false, "report.html": true})
}

// TestRemoveWhileWriting: files that are written while others are removed are not lost.
func TestRemoveWhileWriting(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if err := RemoveTemp(root, "."); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for i := range 500 {
		if err := WriteFile(root, "f", []byte{byte(i)}); err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
	}
	close(done)
	all.Wait()
}

// TestWriteFileErrors: an error of the disk names the file that was to be written.
func TestWriteFileErrors(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Mkdir("d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(root, "missing/f.svg", nil); err == nil || !strings.Contains(err.Error(), " missing/f.svg: no such file") || strings.Contains(err.Error(), tempPrefix) {
		t.Error(err)
	}
	if err := WriteFile(root, "d", nil); err == nil || strings.Contains(err.Error(), tempPrefix) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(root.Name(), "*", tempPrefix+"*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
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
