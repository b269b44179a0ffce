// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
)

// Errors of Open. An incomplete run is none: see Env.Complete.
var (
	errNotRun  = errors.New("not a run directory")
	errVersion = errors.New("run directory of another version") // its schema cannot be read
	errDamaged = errors.New("run directory is damaged")
)

// The remedies: for a directory that is no run, and for one that is damaged.
const (
	remedy  = "name one that kxlab run wrote (--out), by default in results/scratch"
	restore = "restore it, or measure again"
)

// A Run is a run directory read back.
type Run struct {
	Dir    string
	Env    Env
	Trials []harness.Trial // in the order in which they were recorded
	// Functions are the instructions of a unit of work by function, of a run that counted them.
	Functions []profile.Table
	// Stacks are where tasks spent their time, of a run that sampled stacks.
	Stacks []profile.Profile
	// Remarks are about faults that were repaired: a torn last line, a sample without its trial.
	Remarks []string
}

// Open reads a run directory. Its errors wrap errNotRun, errVersion, errDamaged, or those of package fs. A torn last line of
// an incomplete run is left out, with a remark; any other fault is an error.
func Open(dir string) (*Run, error) {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open run %s: %w: there is no such folder; %s", dir, errNotRun, remedy)
	case err != nil:
		return nil, fmt.Errorf("open run: %w", err)
	case !st.IsDir():
		return nil, fmt.Errorf("open run %s: %w: not a folder; %s", dir, errNotRun, remedy)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	defer root.Close()
	if _, err := root.Lstat(EnvFile); errors.Is(err, fs.ErrNotExist) {
		if below := runsBelow(root.FS()); below != "" {
			return nil, fmt.Errorf("open run %s: %w: no %s; name one of the runs in it: %s", dir, errNotRun, EnvFile, below)
		}
	}
	r, err := open(runFolder{root})
	if err != nil {
		return nil, fmt.Errorf("open run %s: %w", dir, err)
	}
	r.Dir = dir
	return r, nil
}

func open(fsys fs.FS) (*Run, error) {
	r := &Run{}
	err := r.read(fsys)
	switch {
	case errors.Is(err, errDamaged):
		return nil, fmt.Errorf("%w: %s", err, restore)
	case errors.Is(err, errVersion):
		return nil, fmt.Errorf("%w: read it with the kxlab that wrote it, or measure again", err)
	case err != nil:
		return nil, err
	}
	return r, nil
}

func (r *Run) read(fsys fs.FS) error {
	if err := r.readEnv(fsys); err != nil {
		return err
	}
	samples, err := r.readSamples(fsys)
	if err != nil {
		return err
	}
	if err := r.readBench(fsys, samples); err != nil {
		return err
	}
	if r.Functions, err = readLines(r, fsys, functionLines); err != nil {
		return err
	}
	if r.Stacks, err = readLines(r, fsys, stackLines); err != nil {
		return err
	}
	if r.Env.Complete && len(r.Trials) != r.Env.Done {
		return fmt.Errorf("%w: %s has %d trials, %s says %d", errDamaged, benchFile, len(r.Trials), EnvFile, r.Env.Done)
	}
	if r.Env.Complete {
		if err := cmp.Or(r.Env.checkGates(r.Trials), r.Env.checkComplete()); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return nil
}

func (r *Run) remark(format string, args ...any) {
	r.Remarks = append(r.Remarks, fmt.Sprintf(format, args...))
}

// runsBelow names the folders of a folder that look like run directories, such as the two of kxlab ab.
func runsBelow(fsys fs.FS) string {
	files, err := fs.Glob(fsys, "*/"+EnvFile)
	if err != nil {
		return ""
	}
	const most = 5
	names := harness.Map(files[:min(len(files), most)], path.Dir)
	if n := len(files) - most; n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(names, ", ")
}

func (r *Run) readEnv(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, EnvFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no %s; %s", errNotRun, EnvFile, remedy)
	}
	if err != nil {
		return err
	}
	var mark struct {
		Tool   string `json:"tool"`
		Schema int    `json:"schema"`
	}
	err = json.Unmarshal(data, &mark)
	if other := wrongType(err); other != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, EnvFile, other)
	}
	if err != nil {
		return fmt.Errorf("%w: %s is not JSON, or is cut off: %w; %s", errNotRun, EnvFile, err, remedy)
	}
	if mark.Tool != tool {
		return fmt.Errorf("%w: %s is not of kxlab", errNotRun, EnvFile)
	}
	if mark.Schema != Schema {
		return fmt.Errorf("%w: schema %d, this program reads %d", errVersion, mark.Schema, Schema)
	}
	if err := checkSums(fsys); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err = dec.Decode(&r.Env)
	if err = cmp.Or(wrongType(err), err); err == nil {
		err = r.Env.check()
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, EnvFile, harness.FirstLine(err))
	}
	for _, s := range r.Env.Skipped {
		r.Env.Outcomes = append(r.Env.Outcomes, CellOutcome{Cell: s.Cell, Outcome: harness.OutcomeNotSupported, Reason: s.Reason})
	}
	r.Env.Skipped = nil
	return nil
}

// lines reads the whole lines of a file. In an incomplete run a missing file has no lines.
func (r *Run) lines(fsys fs.FS, name string) ([]byte, error) {
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
	end := bytes.LastIndexByte(data, '\n') + 1 // a line without its end is torn
	if end < len(data) && r.Env.Complete {
		return nil, fmt.Errorf("%w: %s ends in the middle of a line, and %s says that the run is complete", errDamaged, name, EnvFile)
	}
	if end < len(data) {
		r.remark("%s: the last line is torn and was left out", name)
	}
	return data[:end], nil
}

// readSamples returns the samples of each cell in the order of the file.
func (r *Run) readSamples(fsys fs.FS) (map[string][]sample, error) {
	data, err := r.lines(fsys, samplesFile)
	if err != nil {
		return nil, err
	}
	samples := map[string][]sample{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("%w: %s:%d: %w", errDamaged, samplesFile, n, err)
		}
		if s.Schema != Schema {
			return nil, fmt.Errorf("%w: %s:%d: schema %d, this program reads %d", errVersion, samplesFile, n, s.Schema, Schema)
		}
		if s.Repeat < 0 || s.Sec < 0 {
			return nil, fmt.Errorf("%w: %s:%d: repeat %d, measured %v s: neither can be negative", errDamaged, samplesFile, n, s.Repeat, s.Sec)
		}
		samples[s.Cell] = append(samples[s.Cell], s)
	}
	return samples, nil
}

func (r *Run) readBench(fsys fs.FS, samples map[string][]sample) error {
	data, err := r.lines(fsys, benchFile)
	if err != nil {
		return err
	}
	if err := checkLines(data); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	br := benchfmt.NewReader(bytes.NewReader(data), benchFile)
	lacking := 0
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
			if !r.join(&t, samples) {
				lacking++
			}
			r.Trials = append(r.Trials, t)
		}
	}
	if err := br.Err(); err != nil {
		return fmt.Errorf("%w: %s: %w", errDamaged, benchFile, err)
	}
	if lacking > 0 {
		text := fmt.Sprintf("%s lacks the samples of %s in %s", samplesFile, harness.Plural(lacking, "trial"), benchFile)
		if r.Env.Complete {
			return fmt.Errorf("%w: %s", errDamaged, text)
		}
		r.remark("%s", text)
	}
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		if len(samples[name]) > 0 {
			r.remark("%s has a sample of %s that is not in %s", samplesFile, name, benchFile)
		}
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
	if rec.Iters < 0 {
		return harness.Trial{}, fmt.Errorf("%d iterations: they cannot be negative", rec.Iters)
	}
	t := harness.Trial{Cell: c, Result: harness.Result{Iterations: int64(rec.Iters)}}
	for _, v := range rec.Values {
		m := harness.Metric{Unit: v.Unit, Value: v.Value}
		if v.OrigUnit != "" {
			m = harness.Metric{Unit: v.OrigUnit, Value: v.OrigValue}
		}
		if err := checkValue(m.Unit, m.Value); err != nil {
			return t, err
		}
		t.Result.Metrics = append(t.Result.Metrics, m)
	}
	return t, nil
}

// join adds a trial's sample to it. Samples of a cell are in the order of its trials. false: there is none left.
func (r *Run) join(t *harness.Trial, samples map[string][]sample) bool {
	name := t.Cell.BenchName()
	if len(samples[name]) == 0 {
		t.Repeat = harness.Count(r.Trials, func(o harness.Trial) bool { return o.Cell.BenchName() == name })
		return false
	}
	s := samples[name][0]
	samples[name] = samples[name][1:]
	t.Repeat, t.Order, t.Seed, t.Start = s.Repeat, s.Order, s.Seed, s.Start
	t.Result.Series = s.Series
	for i := range t.Result.Metrics {
		t.Result.Metrics[i].Beyond = slices.Contains(s.Beyond, t.Result.Metrics[i].Unit)
	}
	t.Result.Measured = time.Duration(s.Sec * float64(time.Second))
	return true
}

// Outcome is the outcome of a cell, named as by harness.Cell.BenchName. ok is false if the run does not have the cell or ended
// before it was decided. The outcomes of a killed run lack the measured cells, which bench.txt has.
func (r *Run) Outcome(cell string) (o CellOutcome, ok bool) {
	if o, ok = harness.Find(r.Env.Outcomes, func(o CellOutcome) bool { return o.Cell == cell }); ok {
		return o, true
	}
	if slices.ContainsFunc(r.Trials, func(t harness.Trial) bool { return t.Cell.BenchName() == cell }) {
		return CellOutcome{Cell: cell, Outcome: harness.OutcomeMeasured}, true
	}
	return o, false
}

// Unmeasured are the cells with an outcome and no number.
func (r *Run) Unmeasured() []CellOutcome {
	return harness.Filter(r.Env.Outcomes, func(o CellOutcome) bool { return o.Outcome != harness.OutcomeMeasured })
}

// Brief is the outcome, where it was decided, and the first line of the reason: "failed at set-up: …".
func (o CellOutcome) Brief() string {
	b := string(o.Outcome)
	if o.Where != "" {
		b += " at " + o.Where
	}
	if first, _, _ := strings.Cut(o.Reason, "\n"); first != "" {
		b += ": " + first
	}
	return b
}

// State is "complete", or of which shards a partial run is, or how many trials an incomplete run has.
func (r *Run) State() string {
	switch {
	case r.Env.Complete:
		return "complete"
	case r.Env.Partial != "":
		return fmt.Sprintf("partial: %s, %d of %s", r.Env.Partial, len(r.Trials), harness.Plural(r.Env.Plan, "trial"))
	case r.Env.Plan > 0:
		return fmt.Sprintf("incomplete: %d of %s", len(r.Trials), harness.Plural(r.Env.Plan, "trial"))
	}
	return "incomplete: " + harness.Plural(len(r.Trials), "trial")
}

// A Sample is what was measured of one cell in one unit, one value a repeat.
type Sample struct {
	Cell    harness.Cell
	Unit    string
	Values  []float64
	Repeats []int // the repeat of each value
	Beyond  int   // how many of the values are bounds only (harness.Metric.Beyond)
}

// Samples groups the run's trials by cell and unit, in the order in which they first appear.
func (r *Run) Samples() []*Sample {
	type id struct{ cell, unit string }
	at := map[id]*Sample{}
	var out []*Sample
	for _, t := range r.Trials {
		name := t.Cell.BenchName()
		for _, m := range t.Result.Metrics {
			s := at[id{name, m.Unit}]
			if s == nil {
				s = &Sample{Cell: t.Cell, Unit: m.Unit}
				at[id{name, m.Unit}] = s
				out = append(out, s)
			}
			s.Values = append(s.Values, m.Value)
			s.Repeats = append(s.Repeats, t.Repeat)
			if m.Beyond {
				s.Beyond++
			}
		}
	}
	return out
}
