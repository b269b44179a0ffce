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

	"github.com/kxlab/kxlab/harness/profile"
)

// functionsFile holds the instructions of a unit of work by function, a line a cell and unit, of runs that counted them.
const functionsFile = "functions.jsonl"

// functionsSchema is the version of its lines.
const functionsSchema = 1

// functionsLine is a line of functions.jsonl.
type functionsLine struct {
	Schema int `json:"schema"`
	profile.Table
}

// Functions records the tables of a run, all at once. They are no trials: a run without them is complete.
func (w *Writer) Functions(tables []profile.Table) error {
	var b bytes.Buffer
	for _, t := range tables {
		line, err := json.Marshal(functionsLine{functionsSchema, t})
		if err != nil {
			return fmt.Errorf("record functions of %s: %w", t.Cell, err)
		}
		b.Write(append(line, '\n'))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return os.ErrClosed
	}
	if err := WriteFile(w.root, functionsFile, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(w.dir.Name(), functionsFile), err)
	}
	return nil
}

// readFunctions reads the tables, if the run has some. Those of another version are left out, with a remark.
func (r *Run) readFunctions(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, functionsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		var l functionsLine
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("%w: %s: %w", errDamaged, functionsFile, err)
		}
		if l.Schema != functionsSchema {
			r.remark("%s: of version %d, this program reads %d: left out", functionsFile, l.Schema, functionsSchema)
			r.Functions = nil
			return nil
		}
		if _, err := ParseCell(r.Env.Experiment, l.Cell); err != nil {
			return fmt.Errorf("%w: %s: %w", errDamaged, functionsFile, err)
		}
		for _, f := range append(l.Functions, profile.Function{Value: l.Whole}) {
			if err := checkValue(l.Unit, f.Value); err != nil {
				return fmt.Errorf("%w: %s: %w", errDamaged, functionsFile, err)
			}
		}
		r.Functions = append(r.Functions, l.Table)
	}
	return nil
}
