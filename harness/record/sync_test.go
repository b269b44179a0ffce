// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A witness notes what is done to a file.
type witness struct {
	*os.File
	did  []string
	fail error // of Sync
}

func (w *witness) Write(p []byte) (int, error) {
	w.did = append(w.did, "write")
	return w.File.Write(p)
}

func (w *witness) Sync() error {
	w.did = append(w.did, "sync")
	return w.fail
}

// TestLinesAreSynced: each line is on the disk before append returns, and a line that may not be is cut off again.
func TestLinesAreSynced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{File: f}
	l := &lineFile{f: w}
	defer l.Close()
	for range 2 {
		if err := l.append([]byte("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(w.did, " "); got != "write sync write sync" {
		t.Errorf("did %q", got)
	}
	w.fail = errors.New("disk full")
	if err := l.append([]byte("lost\n")); !errors.Is(err, w.fail) {
		t.Error(err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "line\nline\n" {
		t.Errorf("the file holds %q, %v", raw, err)
	}
}
