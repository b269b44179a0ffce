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
	"strings"
	"sync"
	"time"

	"golang.org/x/perf/benchfmt"

	"github.com/kxlab/kxlab/harness"
)

var (
	errBusy     = errors.New("another run is writing there")
	errNotEmpty = errors.New("directory is not empty")
)

// envEvery bounds how often env.json is replaced for what can wait: an outcome, a trial's share of the time.
const envEvery = time.Second

// A Writer writes one run directory. It is safe for concurrent use.
type Writer struct {
	mu               sync.Mutex
	dir              *os.File // held for its lock
	root             *os.Root // the same directory: all writing goes through it
	env              Env
	bench, samples   *lineFile
	started, flushed time.Time
	closed           bool
}

// sample is one line of samples.jsonl.
type sample struct {
	Schema int              `json:"schema"`
	Cell   string           `json:"cell"`
	Repeat int              `json:"repeat"`
	Order  int              `json:"order"`
	Seed   uint64           `json:"seed"`
	Start  time.Time        `json:"start"`
	Sec    float64          `json:"measured_sec"`
	Beyond []string         `json:"beyond,omitempty"` // units whose values are bounds only
	Series []harness.Series `json:"series,omitempty"`
}

// Create begins a run directory, which is made if need be, and holds its lock until Finish or Close. The directory must be empty:
// errNotEmpty otherwise, errBusy if another run is writing there. The run is recorded as incomplete until Finish. The time of the run goes on from
// Env.TotalSec.
func Create(dir string, env Env) (*Writer, error) {
	env.fill()
	err := env.check()
	var w *Writer
	if err == nil {
		w, err = create(dir, env)
	}
	if err != nil {
		return nil, fmt.Errorf("create run directory %s: %w", dir, err)
	}
	return w, nil
}

func create(dir string, env Env) (_ *Writer, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", d.Fd()))
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	w := &Writer{dir: d, root: root, env: env, started: time.Now().Add(-time.Duration(env.TotalSec * float64(time.Second)))}
	defer func() {
		if err != nil {
			w.closeFiles()
		}
	}()
	if err := lock(d); err != nil {
		return nil, err
	}
	if err := checkEmpty(d); err != nil {
		return nil, err
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	if w.samples, err = newLineFile(root, samplesFile); err != nil {
		return nil, err
	}
	if w.bench, err = newLineFile(root, benchFile); err != nil {
		return nil, err
	}
	if err := w.bench.append(head(&w.env)); err != nil {
		return nil, fmt.Errorf("write %s: %w", benchFile, err)
	}
	return w, d.Sync()
}

// CheckEmpty returns the error of Create for a directory that holds something; one that does not exist is empty.
func CheckEmpty(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer d.Close()
		err = checkEmpty(d)
	}
	if err != nil {
		return fmt.Errorf("create run directory %s: %w", dir, err)
	}
	return nil
}

// Clear removes the record of a run that no process is writing: its files, and no others. errBusy if one is.
func Clear(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("clear run directory: %w", err)
	}
	defer d.Close()
	if err := lock(d); err != nil {
		return fmt.Errorf("clear run directory %s: %w", dir, err)
	}
	for _, name := range append(recordFiles(), sumsFile) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear run directory: %w", err)
		}
	}
	return nil
}

// checkEmpty returns an error unless the directory is empty, but for what a killed Create may have left.
func checkEmpty(d *os.File) error {
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		switch {
		case strings.HasPrefix(n, tempPrefix):
		case n == EnvFile:
			return fmt.Errorf("%w: it holds a run; name another one", errNotEmpty)
		default:
			return fmt.Errorf("%w: %s is there; name another one", errNotEmpty, n)
		}
	}
	return nil
}

// head is the beginning of bench.txt: the keys that decide comparability, and which way the units are better.
func head(e *Env) []byte {
	var b bytes.Buffer
	for _, kv := range e.keys() {
		fmt.Fprintf(&b, "%s: %s\n", kv.key, kv.value)
	}
	bw := benchfmt.NewWriter(&b)
	seen := map[string]bool{}
	for _, wl := range e.Workloads {
		for _, m := range wl.Metrics {
			if seen[m.Unit] || m.Better == "neither" {
				continue
			}
			seen[m.Unit] = true
			bw.Write(&benchfmt.UnitMetadata{ // a bytes.Buffer takes everything
				UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: m.Unit, Key: "better"}, OrigUnit: m.Unit, Value: m.Better,
			})
		}
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// Trial records one trial: when it returns nil, the trial is on the disk. A trial whose Result is marked invalid is recorded as
// rejected. Errors name the file; the directory stays readable after an error.
func (w *Writer) Trial(t harness.Trial) error {
	if t.Result.Invalid != "" {
		return w.Reject(t, t.Result.Invalid)
	}
	if err := w.trial(t); err != nil {
		return fmt.Errorf("record trial of %s: %w", t.Cell.BenchName(), err)
	}
	return nil
}

func (w *Writer) trial(t harness.Trial) error {
	if err := w.checkTrial(t); err != nil {
		return err
	}
	bounds := harness.Filter(t.Result.Metrics, func(m harness.Metric) bool { return m.Beyond })
	name := t.Cell.BenchName()
	line, err := json.Marshal(sample{
		Schema: Schema, Cell: name, Repeat: t.Repeat, Order: t.Order, Seed: t.Seed, Start: t.Start.UTC().Round(0),
		Sec: t.Result.Measured.Seconds(), Series: t.Result.Series,
		Beyond: harness.Map(bounds, func(m harness.Metric) string { return m.Unit }),
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	res := benchfmt.Result{
		Name: benchfmt.Name(name), Iters: int(max(1, t.Result.Iterations)),
		Values: harness.Map(t.Result.Metrics, func(m harness.Metric) benchfmt.Value { return benchfmt.Value{Value: m.Value, Unit: m.Unit} }),
	}
	if err := benchfmt.NewWriter(&b).Write(&res); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return os.ErrClosed
	}
	if err := w.samples.append(append(line, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(w.dir.Name(), samplesFile), err)
	}
	if err := w.bench.append(b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(w.dir.Name(), benchFile), err)
	}
	w.env.Done++
	w.env.MeasuredSec += t.Result.Measured.Seconds()
	return w.flushLater()
}

// checkTrial returns an error if the trial would break the record or is not a number.
func (w *Writer) checkTrial(t harness.Trial) error {
	if err := checkCell(t.Cell); err != nil {
		return err
	}
	if t.Cell.Experiment != w.env.Experiment {
		return fmt.Errorf("of the experiment %q, the run is of %q", t.Cell.Experiment, w.env.Experiment)
	}
	if len(t.Result.Metrics) == 0 {
		return errors.New("no metrics")
	}
	seen := map[string]bool{}
	for _, m := range t.Result.Metrics {
		if err := checkUnit(m.Unit); err != nil {
			return err
		}
		if _, ok := w.env.Metric(t.Cell.Workload, m.Unit); !ok && len(w.env.Workloads) > 0 {
			return fmt.Errorf("unit %q is not declared for the workload %s", m.Unit, t.Cell.Workload)
		}
		if err := checkValue(m.Unit, m.Value); err != nil {
			return err
		}
		if seen[m.Unit] {
			return fmt.Errorf("unit %q is there twice", m.Unit)
		}
		seen[m.Unit] = true
	}
	return nil
}
