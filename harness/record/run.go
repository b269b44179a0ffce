// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/kxlab/kxlab/harness"
)

// What Open can find wrong. An incomplete run is none of them: see Env.Complete.
var (
	// errNotRun says that the directory holds no run of this tool.
	errNotRun = errors.New("not a run directory")
	// errVersion says that the run was written by another version of the tool, in a schema that this one cannot read.
	errVersion = errors.New("run directory of another version")
	// errDamaged says that a file of the run is not as it was written.
	errDamaged = errors.New("run directory is damaged")
)

// A Run is a run directory read back.
type Run struct {
	Dir    string
	Env    Env
	Trials []harness.Trial // in the order in which they were recorded
	// Remarks say what was odd and was put right: a torn last line, a sample without its trial.
	Remarks []string
}

// Open reads a run directory. Its errors wrap errNotRun, errVersion, errDamaged, or those of package fs. A last line
// that a crash tore off is left out, with a remark; anything else out of place is an error.
func Open(dir string) (*Run, error) {
	st, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("open run %s: %w: not a directory", dir, errNotRun)
	}
	r, err := open(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("open run %s: %w", dir, err)
	}
	r.Dir = dir
	return r, nil
}

func open(fsys fs.FS) (*Run, error) {
	r := &Run{}
	if err := r.readEnv(fsys); err != nil {
		return nil, err
	}
	samples, err := r.readSamples(fsys)
	if err != nil {
		return nil, err
	}
	if err := r.readBench(fsys, samples); err != nil {
		return nil, err
	}
	if r.Env.Complete && len(r.Trials) != r.Env.Done {
		return nil, fmt.Errorf("%w: %s has %d trials, %s says %d", errDamaged, benchFile, len(r.Trials), EnvFile, r.Env.Done)
	}
	return r, nil
}

func (r *Run) remark(format string, args ...any) {
	r.Remarks = append(r.Remarks, fmt.Sprintf(format, args...))
}

func (r *Run) readEnv(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, EnvFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no %s", errNotRun, EnvFile)
	}
	if err != nil {
		return err
	}
	var mark struct {
		Tool   string `json:"tool"`
		Schema int    `json:"schema"`
	}
	if err := json.Unmarshal(data, &mark); err != nil {
		return fmt.Errorf("%w: %s: %w", errNotRun, EnvFile, err)
	}
	if mark.Tool != tool {
		return fmt.Errorf("%w: %s is not of kxlab", errNotRun, EnvFile)
	}
	if mark.Schema != Schema {
		return fmt.Errorf("%w: schema %d, this program reads %d", errVersion, mark.Schema, Schema)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r.Env); err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, EnvFile, err)
	}
	if err := r.Env.check(); err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, EnvFile, err)
	}
	for _, s := range r.Env.Skipped {
		r.Env.Outcomes = append(r.Env.Outcomes, CellOutcome{Cell: s.Cell, Outcome: harness.OutcomeNotSupported, Reason: s.Reason})
	}
	r.Env.Skipped = nil
	return nil
}

// whole reads the whole lines of a file. A missing file is one without lines in an incomplete run, which may have been
// killed before it was made.
func (r *Run) whole(fsys fs.FS, name string) ([]byte, error) {
	data, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) && !r.Env.Complete {
		r.remark("%s is missing: the run was killed as it began", name)
		return nil, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no %s", errDamaged, name)
	}
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if end < len(data) {
		r.remark("%s: the last line is torn and was left out", name)
	}
	return data[:end], nil
}

// readSamples returns the samples of each cell in the order of the file.
func (r *Run) readSamples(fsys fs.FS) (map[string][]sample, error) {
	data, err := r.whole(fsys, samplesFile)
	if err != nil {
		return nil, err
	}
	samples := map[string][]sample{}
	br := bufio.NewReader(bytes.NewReader(data))
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if err == io.EOF {
			return samples, nil
		}
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("%w: %s:%d: %w", errDamaged, samplesFile, n, err)
		}
		if s.Schema != Schema {
			return nil, fmt.Errorf("%w: %s:%d: schema %d, this program reads %d", errVersion, samplesFile, n, s.Schema, Schema)
		}
		samples[s.Cell] = append(samples[s.Cell], s)
	}
}

func (r *Run) readBench(fsys fs.FS, samples map[string][]sample) error {
	data, err := r.whole(fsys, benchFile)
	if err != nil {
		return err
	}
	br := benchfmt.NewReader(bytes.NewReader(data), benchFile)
	for br.Scan() {
		switch rec := br.Result().(type) {
		case *benchfmt.SyntaxError:
			return fmt.Errorf("%w: %s:%d: %s", errDamaged, rec.FileName, rec.Line, rec.Msg)
		case *benchfmt.Result:
			_, line := rec.Pos()
			t, err := r.trial(rec)
			if err != nil {
				return fmt.Errorf("%w: %s:%d: %w", errDamaged, benchFile, line, err)
			}
			r.join(&t, samples)
			r.Trials = append(r.Trials, t)
		}
	}
	if err := br.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, benchFile, err)
	}
	left := make([]string, 0, len(samples))
	for name, s := range samples {
		if len(s) > 0 {
			left = append(left, name)
		}
	}
	sort.Strings(left)
	for _, name := range left {
		r.remark("%s has a sample of %s that is not in %s", samplesFile, name, benchFile)
	}
	return nil
}

// trial turns a line of bench.txt into a trial.
func (r *Run) trial(rec *benchfmt.Result) (harness.Trial, error) {
	for _, kv := range r.Env.keys() {
		if got := rec.GetConfig(kv.key); got != kv.value {
			return harness.Trial{}, fmt.Errorf("%s is %q, %s says %q", kv.key, got, EnvFile, kv.value)
		}
	}
	c, err := ParseCell(r.Env.Experiment, string(rec.Name))
	if err != nil {
		return harness.Trial{}, err
	}
	t := harness.Trial{Cell: c, Result: harness.Result{Iterations: int64(rec.Iters)}}
	for _, v := range rec.Values {
		m := harness.Metric{Unit: v.Unit, Value: v.Value}
		if v.OrigUnit != "" {
			m = harness.Metric{Unit: v.OrigUnit, Value: v.OrigValue}
		}
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			return t, fmt.Errorf("%v %s is not a number", m.Value, m.Unit)
		}
		t.Result.Metrics = append(t.Result.Metrics, m)
	}
	return t, nil
}

// join adds to a trial what its sample knows. Samples of a cell are in the order of its trials.
func (r *Run) join(t *harness.Trial, samples map[string][]sample) {
	name := t.Cell.BenchName()
	if len(samples[name]) == 0 {
		n := 0
		for _, o := range r.Trials {
			if o.Cell.BenchName() == name {
				n++
			}
		}
		t.Repeat = n
		r.remark("%s has no sample of %s", samplesFile, name)
		return
	}
	s := samples[name][0]
	samples[name] = samples[name][1:]
	t.Repeat, t.Order, t.Seed, t.Start = s.Repeat, s.Order, s.Seed, s.Start
	t.Result.Series = s.Series
	for i := range t.Result.Metrics {
		t.Result.Metrics[i].Beyond = slices.Contains(s.Beyond, t.Result.Metrics[i].Unit)
	}
	t.Result.Measured = time.Duration(s.Sec * float64(time.Second))
}

// value returns a trial's value in a unit.
func value(t harness.Trial, unit string) (float64, bool) {
	for _, m := range t.Result.Metrics {
		if m.Unit == unit {
			return m.Value, true
		}
	}
	return 0, false
}

// State says in a few words whether the run is whole: "complete", or how much of it is there.
func (r *Run) State() string {
	if r.Env.Complete {
		return "complete"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "incomplete: %d", len(r.Trials))
	if r.Env.Plan > 0 {
		fmt.Fprintf(&b, " of %d", r.Env.Plan)
	}
	b.WriteString(" trials")
	return b.String()
}
