// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A lines is a file of a run directory that not every run has: what is known of cells besides their trials, a line of JSON each, with the
// version of the lines as "schema".
type lines[T any] struct {
	file   string
	schema int
	check  func(experiment string, line T) error // what is wrong with a line
}

// writeLines records all lines at once. They are no trials: a run without them is complete.
func writeLines[T any](w *Writer, of lines[T], all []T) error {
	var b bytes.Buffer
	for _, one := range all {
		line, err := json.Marshal(one)
		if err != nil {
			return fmt.Errorf("record %s: %w", of.file, err)
		}
		fmt.Fprintf(&b, "{\"schema\":%d,%s\n", of.schema, line[1:])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return os.ErrClosed
	}
	if err := WriteFile(w.root, of.file, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(w.dir.Name(), of.file), err)
	}
	return nil
}

// readLines reads the file, if the run has it. Lines of another version are left out, with a remark.
func readLines[T any](r *Run, fsys fs.FS, of lines[T]) (out []T, err error) {
	data, err := fs.ReadFile(fsys, of.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		var version struct {
			Schema int `json:"schema"`
		}
		var one T
		if err := errors.Join(json.Unmarshal(line, &version), json.Unmarshal(line, &one)); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errDamaged, of.file, err)
		}
		if version.Schema != of.schema {
			r.remark("%s: of version %d, this program reads %d: left out", of.file, version.Schema, of.schema)
			return nil, nil
		}
		if err := of.check(r.Env.Experiment, one); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errDamaged, of.file, err)
		}
		out = append(out, one)
	}
	return out, nil
}
