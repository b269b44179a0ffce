// SPDX-License-Identifier: Apache-2.0

package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kxlab/kxlab/harness"
)

// notesFile holds what people know about commits of a history: a line each, of the commit's hash, or its first digits, and a sentence. Empty lines and
// those that begin with # say nothing.
const notesFile = "notes.txt"

// A Note is what is known about a commit.
type Note struct {
	Commit string // at least seven digits
	Text   string
}

// mostNotes bounds the file of notes, in bytes.
const mostNotes = 1 << 20

var abbreviated = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// Notes reads the notes of the history in a folder; there are none without the file. Lines that are no notes are left out and named in the error,
// which is beside the others.
func Notes(dir string) ([]Note, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	defer root.Close()
	path := filepath.Join(dir, notesFile)
	switch st, err := root.Lstat(notesFile); {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read notes: %w", err)
	case !st.Mode().IsRegular() || st.Size() > mostNotes:
		return nil, fmt.Errorf("read notes: %s is no regular file of at most %d bytes", path, mostNotes)
	}
	data, err := root.ReadFile(notesFile)
	if err != nil {
		return nil, fmt.Errorf("read notes: %w", err)
	}
	var out []Note
	var errs []error
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		commit, text, _ := strings.Cut(line, " ")
		text = strings.TrimSpace(text)
		if !abbreviated.MatchString(commit) || text == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			errs = append(errs, fmt.Errorf("%s:%d: want a commit's hash, or its first seven digits or more, and a sentence", path, i+1))
			continue
		}
		out = append(out, Note{commit, text})
	}
	return out, errors.Join(errs...)
}

// Annotate adds notes to the line. A note of no commit of the line, or of several, is a remark.
func (l *Line) Annotate(notes []Note) {
	for _, n := range notes {
		var at []int
		for i, c := range l.commits {
			if strings.HasPrefix(c, n.Commit) {
				at = append(at, i)
			}
		}
		if len(at) != 1 {
			l.Remarks = append(l.Remarks, fmt.Sprintf("%s has a note on %.12s, which names %s of this line", notesFile, n.Commit, harness.Plural(len(at), "commit")))
			continue
		}
		l.notes = append(l.notes, placedNote{Note{l.commits[at[0]], n.Text}, at[0]})
	}
}

// A placedNote is a note and where its commit stands in the line.
type placedNote struct {
	Note
	place int
}

// NotesOf are the notes on the commits of which one made a change, in the order of the file.
func (l Line) NotesOf(c Change) (out []Note) {
	for _, n := range l.notes {
		if n.place > l.Place[c.Since] && n.place <= l.Place[c.At] {
			out = append(out, n.Note)
		}
	}
	return out
}

// NotesLeft are the notes on commits of the line that made none of the changes.
func (l Line) NotesLeft(changes []Change) []Note {
	left := harness.Filter(l.notes, func(n placedNote) bool {
		return !slices.ContainsFunc(changes, func(c Change) bool { return slices.Contains(l.NotesOf(c), n.Note) })
	})
	return harness.Map(left, func(n placedNote) Note { return n.Note })
}
