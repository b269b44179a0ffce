// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// TestLockNotes: two guests that wait long for one lock make one note, a cancelled wait ends at once, and a free lock makes no note.
func TestLockNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var mu sync.Mutex
	var said []string
	ctx, cancel := context.WithCancel(WithNote(t.Context(), func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	}))
	held, err := Lock(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	errs := make(chan error)
	for range 2 {
		go func() {
			f, err := Lock(ctx, path)
			f.Close()
			errs <- err
		}()
	}
	time.Sleep(waitNote + 300*time.Millisecond)
	cancel()
	cancelled := time.Now()
	for range 2 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled wait: %v", err)
		}
	}
	if d := time.Since(cancelled); d > time.Second {
		t.Errorf("a cancelled wait ended after %v", d)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(said) != 1 || !strings.Contains(said[0], "waiting for "+path) {
		t.Errorf("notes: %q, want one about %s", said, path)
	}
}

// TestWhole: a file with another byte, a byte less or no sum is not whole; pruning takes the sum along.
func TestWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func() {
		t.Helper()
		if err := WriteSummed(path, func(f *os.File) error { _, err := f.WriteString("content"); return err }); err != nil {
			t.Fatal(err)
		}
		if err := Whole(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, damage := range map[string]func() error{
		"byte":  func() error { return os.WriteFile(path, []byte("contenT"), 0o644) },
		"short": func() error { return os.Truncate(path, 3) },
		"gone":  func() error { return os.Remove(path) },
		"sum":   func() error { return os.Remove(path + sumExt) },
	} {
		write()
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if Whole(path) == nil {
			t.Errorf("%s: it is whole", name)
		}
	}
	write()
	if got := Files(filepath.Dir(path)); len(got) != 1 {
		t.Errorf("files: %v", got)
	}
	Prune(filepath.Dir(path), 0)
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
