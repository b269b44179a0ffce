// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// Outcome records the outcome of a cell, in place of an earlier one.
func (w *Writer) Outcome(o CellOutcome) error {
	return w.update(false, func(e *Env) {
		if i := slices.IndexFunc(e.Outcomes, func(have CellOutcome) bool { return have.Cell == o.Cell }); i >= 0 {
			e.Outcomes[i] = o
		} else {
			e.Outcomes = append(e.Outcomes, o)
		}
	})
}

// Reject records a trial that was measured and does not count. It never enters bench.txt.
func (w *Writer) Reject(t harness.Trial, reason string) error {
	r := Rejected{Cell: t.Cell.BenchName(), Repeat: t.Repeat, Reason: reason, Start: t.Start.UTC().Round(0)}
	for _, m := range t.Result.Metrics {
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			continue // JSON has no NaN
		}
		if r.Metrics == nil {
			r.Metrics = map[string]float64{}
		}
		r.Metrics[m.Unit] = m.Value
	}
	return w.update(true, func(e *Env) { e.Rejected = append(e.Rejected, r) })
}

// Gate records the result of a variant's correctness gate.
func (w *Writer) Gate(g Gate) error {
	return w.update(false, func(e *Env) { e.Gates = append(e.Gates, g) })
}

// Note records a remark about the run as a whole.
func (w *Writer) Note(format string, args ...any) error {
	return w.update(true, func(e *Env) { e.Notes = append(e.Notes, fmt.Sprintf(format, args...)) })
}

// Steal sets the CPU time that other guests of the machine's host took during the run.
func (w *Writer) Steal(d time.Duration) error {
	return w.update(false, func(e *Env) { e.StealSec = d.Seconds() })
}

// Finish marks the run as complete, writes the sums of its files and closes the writer.
func (w *Writer) Finish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("finish run directory: %w", os.ErrClosed)
	}
	w.env.Complete = true
	return w.close()
}

// Close writes env.json and closes the writer; unless Finish was called before, the run stays incomplete.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	return w.close()
}

func (w *Writer) close() error {
	err := w.flush()
	if err == nil && w.env.Complete {
		err = harness.Wrap(w.writeSums(), "write %s", filepath.Join(w.dir.Name(), sumsFile))
	}
	w.closed = true
	return errors.Join(err, w.closeFiles())
}

func (w *Writer) update(now bool, change func(*Env)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("write %s: %w", EnvFile, os.ErrClosed)
	}
	change(&w.env)
	if now {
		return w.flush()
	}
	return w.flushLater()
}

func (w *Writer) flushLater() error {
	if time.Since(w.flushed) < envEvery {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	w.flushed = time.Now()
	w.env.Updated = w.flushed.UTC().Round(0)
	w.env.TotalSec = w.flushed.Sub(w.started).Seconds()
	data, err := json.MarshalIndent(&w.env, "", "  ")
	if err == nil {
		err = errors.Join(WriteFile(w.root, EnvFile, append(data, '\n')), w.dir.Sync())
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(w.dir.Name(), EnvFile), err)
	}
	return nil
}

func (w *Writer) closeFiles() error {
	var errs []error
	for _, l := range []*lineFile{w.bench, w.samples} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(append(errs, w.root.Close(), w.dir.Close())...)
}
