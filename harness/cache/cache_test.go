// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"oldest", "old", "new", "newest", "part-now"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	stale, fresh := time.Now().Add(-StaleAfter-time.Minute), time.Now().Add(-StaleAfter+time.Minute)
	for name, at := range map[string]time.Time{"part-stale": stale, "part-fresh": fresh} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(folder, stale, stale); err != nil {
		t.Fatal(err)
	}
	Touch(filepath.Join(dir, "old"))
	left := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	Prune(dir, 2)
	if got, want := left(), []string{"folder", "newest", "old", "part-fresh", "part-now"}; !cmp.Equal(got, want) {
		t.Errorf("two kept: %q, want %q", got, want)
	}
	Prune(dir, 9)
	if got := left(); len(got) != 5 {
		t.Errorf("nine kept: %q", got)
	}
	Prune(filepath.Join(dir, "none"), 1) // is no error
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	broken := fmt.Errorf("broken")
	if err := WriteFile(path, func(w *os.File) error { _, _ = w.Write([]byte("half")); return broken }); err != broken {
		t.Error(err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
