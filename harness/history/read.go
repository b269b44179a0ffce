// SPDX-License-Identifier: Apache-2.0

package history

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// maxRepeat bounds the repeats of a run, which a damaged file may say anything about.
const maxRepeat = 10_000

// hash is a whole name of a commit, SHA-1 or SHA-256.
var hash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// put adds a value.
func (r *Run) put(s Series, repeat int, v float64) {
	values := r.Values[s]
	for len(values) <= repeat {
		values = append(values, math.NaN())
	}
	values[repeat] = v
	r.Values[s] = values
}

// A reader reads one file.
type reader struct {
	entry  Entry
	names  map[string]string // each name once, of all files
	better map[string]int    // of the units that the file has named so far
	block  string            // the keys of the run that is being read, by which the next run is known
}

// read reads an entry's file. names holds names that other files have, too.
func read(r io.Reader, file string, names map[string]string) (Entry, error) {
	in := reader{names: names, better: map[string]int{}}
	br := benchfmt.NewReader(r, file)
	for br.Scan() {
		switch rec := br.Result().(type) {
		case *benchfmt.SyntaxError:
			return Entry{}, rec
		case *benchfmt.UnitMetadata:
			if rec.Key == "better" {
				in.better[rec.Unit] = map[string]int{"higher": 1, "lower": -1}[rec.Value]
			}
		case *benchfmt.Result:
			if err := in.result(rec); err != nil {
				_, line := rec.Pos()
				return Entry{}, fmt.Errorf("%s:%d: %w", file, line, err)
			}
		}
	}
	if err := br.Err(); err != nil {
		return Entry{}, err
	}
	if len(in.entry.Runs) == 0 {
		return Entry{}, fmt.Errorf("%s: no trial is in it", file)
	}
	return in.entry, nil
}

func (in *reader) name(text string) string {
	if have, ok := in.names[text]; ok {
		return have
	}
	in.names[text] = text
	return text
}

func (in *reader) result(rec *benchfmt.Result) error {
	var block strings.Builder
	for _, key := range []string{"experiment", "target", "cpu", "profile", "seed", "kernel", "qemu", "asked", "lab", "recorded"} {
		block.WriteString(rec.GetConfig(key) + "\n")
	}
	if len(in.entry.Runs) == 0 || block.String() != in.block {
		if err := in.begin(rec); err != nil {
			return err
		}
		in.block = block.String()
	}
	run := &in.entry.Runs[len(in.entry.Runs)-1]
	repeat, err := strconv.Atoi(rec.GetConfig("repeat"))
	if err != nil || repeat < 0 || repeat > maxRepeat {
		return fmt.Errorf("repeat %q is no number from 0 to %d", rec.GetConfig("repeat"), maxRepeat)
	}
	cell := in.name(string(rec.Name))
	for _, v := range rec.Values {
		unit, value := v.Unit, v.Value
		if v.OrigUnit != "" {
			unit, value = v.OrigUnit, v.OrigValue
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return fmt.Errorf("%s of %s is %v, which is no measurement", unit, cell, value)
		}
		if value < 0 && strings.Contains(unit, "insn") {
			return fmt.Errorf("%s of %s is %v, and a count is not below 0", unit, cell, value)
		}
		s := Series{cell, in.name(unit)}
		if _, twice := run.At(s, repeat); twice {
			return fmt.Errorf("%s of %s has repeat %d twice", unit, cell, repeat)
		}
		run.put(s, repeat, value)
		if way := in.better[unit]; way != 0 {
			run.Better[s.Unit] = way
		}
	}
	return nil
}

// begin begins the next run, and the entry with the first.
func (in *reader) begin(rec *benchfmt.Result) error {
	e := Entry{Commit: rec.GetConfig("commit"), Parents: strings.Fields(rec.GetConfig("parents")), Subject: rec.GetConfig("subject"), Runs: in.entry.Runs}
	if !hash.MatchString(e.Commit) {
		return fmt.Errorf("commit %q is no whole hash", e.Commit)
	}
	if len(in.entry.Runs) > 0 && in.entry.Commit != e.Commit {
		return fmt.Errorf("commits %s and %s are in one file", in.entry.Commit, e.Commit)
	}
	var err error
	if text := rec.GetConfig("committed"); text != "" {
		if e.Committed, err = time.Parse(time.RFC3339, text); err != nil {
			return fmt.Errorf("committed %q is no time as RFC 3339 writes it", text)
		}
	}
	seed, err := strconv.ParseUint(rec.GetConfig("seed"), 10, 64)
	if err != nil {
		return fmt.Errorf("seed %q is no number", rec.GetConfig("seed"))
	}
	recorded, err := time.Parse(time.RFC3339, rec.GetConfig("recorded"))
	if err != nil {
		return fmt.Errorf("recorded %q is no time as RFC 3339 writes it", rec.GetConfig("recorded"))
	}
	run := Run{Setting: Setting{in.name(rec.GetConfig("experiment")), in.name(rec.GetConfig("target")), in.name(rec.GetConfig("cpu")), in.name(rec.GetConfig("profile")), seed},
		Kernel: in.name(rec.GetConfig("kernel")), QEMU: in.name(rec.GetConfig("qemu")), Asked: in.name(rec.GetConfig("asked")), Lab: rec.GetConfig("lab"), Recorded: recorded,
		Better: map[string]int{}, Values: map[Series][]float64{}}
	if run.Experiment == "" || run.Target == "" {
		return errors.New("no experiment or target is named before the first trial")
	}
	for _, r := range e.Runs {
		if r.Setting == run.Setting {
			return fmt.Errorf("%s is in it twice", run.Setting)
		}
	}
	e.Runs = append(e.Runs, run)
	in.entry = e
	return nil
}
