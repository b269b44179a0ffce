// SPDX-License-Identifier: Apache-2.0

package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

// TestNotes: a note stands beside the change that its commit may have made; lines that are no notes are named, and notes of unknown commits are remarks.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	if notes, err := Notes(dir); len(notes) != 0 || err != nil {
		t.Errorf("without a file: %v, %v", notes, err)
	}
	text := "# what is known\n\n" + commit(6) + "  the seventh <b> grew\n" + commit(7) + " another\n0000000 of all\nabcdef0 of none\nHEAD no hash\n" + commit(3) + "\n" + commit(2) + " bell \a\n"
	path := filepath.Join(dir, notesFile)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	notes, err := Notes(dir)
	if len(notes) != 4 || err == nil {
		t.Fatalf("%v, %v", notes, err)
	}
	for _, want := range []string{":7:", ":8:", ":9:"} {
		if !strings.Contains(err.Error(), notesFile+want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	entries := invented(10, 1, 2, harness.TargetExact, func(c, k, r int) float64 { return float64(1000 + 100*(c/8)) })
	var commits []string
	for _, e := range entries {
		commits = append(commits, e.Commit)
	}
	l := Along([]Entry{entries[0], entries[4], entries[8], entries[9]}, commits)
	l.Annotate(notes)
	changes := l.Changes(Options{})
	if len(changes) != 1 {
		t.Fatalf("%+v", changes)
	}
	want := []Note{{commit(6), "the seventh <b> grew"}, {commit(7), "another"}}
	if diff := cmp.Diff(want, l.NotesOf(changes[0])); diff != "" {
		t.Error(diff)
	}
	if got := l.NotesOf(Change{At: 3, Since: 2}); len(got) != 0 {
		t.Errorf("notes of another change: %v", got)
	}
	if len(l.Remarks) != 2 || !strings.Contains(l.Remarks[0], "10 commits") || !strings.Contains(l.Remarks[1], "0 commits") {
		t.Errorf("remarks %q", l.Remarks)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", path); err != nil {
		t.Fatal(err)
	}
	if _, err := Notes(dir); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a link as notes: %v", err)
	}
}
