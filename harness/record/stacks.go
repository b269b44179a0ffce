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
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
)

// stacksFile holds where tasks spent their time, by stack: a line a cell and kind of profile, of runs that sampled stacks.
const stacksFile = "stacks.jsonl"

// stacksSchema is the version of its lines.
const stacksSchema = 1

// stacksLine is a line of stacks.jsonl.
type stacksLine struct {
	Schema int `json:"schema"`
	profile.Profile
}

// Stacks records the profiles of a run, all at once. They are no trials: a run without them is complete.
func (w *Writer) Stacks(profiles []profile.Profile) error {
	var b bytes.Buffer
	for _, p := range profiles {
		line, err := json.Marshal(stacksLine{stacksSchema, p})
		if err != nil {
			return fmt.Errorf("record stacks of %s: %w", p.Cell, err)
		}
		b.Write(append(line, '\n'))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return os.ErrClosed
	}
	if err := WriteFile(w.root, stacksFile, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(w.dir.Name(), stacksFile), err)
	}
	return nil
}

// readStacks reads the profiles, if the run has some. Those of another version are left out, with a remark.
func (r *Run) readStacks(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, stacksFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		var l stacksLine
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("%w: %s: %w", errDamaged, stacksFile, err)
		}
		if l.Schema != stacksSchema {
			r.remark("%s: of version %d, this program reads %d: left out", stacksFile, l.Schema, stacksSchema)
			r.Stacks = nil
			return nil
		}
		if err := l.check(r.Env.Experiment); err != nil {
			return fmt.Errorf("%w: %s: %w", errDamaged, stacksFile, err)
		}
		r.Stacks = append(r.Stacks, l.Profile)
	}
	return nil
}

// check returns what is wrong with a line.
func (l stacksLine) check(experiment string) error {
	if _, err := ParseCell(experiment, l.Cell); err != nil {
		return err
	}
	if !slices.Contains(profile.Kinds(), l.Kind) {
		return &harness.UnknownError{Kind: "kind of profile", Word: l.Kind, Known: profile.Kinds()}
	}
	values := append(harness.Map(l.Stacks, func(s profile.Stack) float64 { return s.Value }), l.Window, l.Period, l.Work)
	for _, v := range values {
		if err := checkValue(l.Unit, v); err != nil {
			return err
		}
	}
	return nil
}
