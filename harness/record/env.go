// SPDX-License-Identifier: Apache-2.0

package record

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/kxlab/kxlab/harness"
)

// Schema is the version of the files written. A reader refuses any other.
const Schema = 1

// tool marks env.json as ours, so that a foreign file of that name is not called damaged.
const tool = "kxlab"

// The files of a run directory.
const (
	benchFile   = "bench.txt"
	samplesFile = "samples.jsonl"
	EnvFile     = "env.json"
)

// Env is everything about a run but the numbers of its trials. It includes what reports need of the experiment's definition, so
// that a run directory can be read on any machine.
type Env struct {
	Schema   int    `json:"schema"` // set by Create
	Tool     string `json:"tool"`   // set by Create
	Complete bool   `json:"complete"`
	// Partial says which part of a plan's shards the run was put together from, such as "2 of 3 shards"; "": from all. Such a run is not complete.
	Partial string `json:"partial,omitempty"`

	// These fields decide comparability; they are the file keys of bench.txt.
	Experiment string `json:"experiment"`
	Target     string `json:"target"`
	Kernel     string `json:"kernel"`
	CPU        string `json:"cpu"`
	GOOS       string `json:"goos"`   // Create fills in this program's
	GOARCH     string `json:"goarch"` // Create fills in this program's

	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	Commit  string    `json:"commit,omitempty"`
	Version string    `json:"version,omitempty"`
	Command []string  `json:"command,omitempty"`
	Profile string    `json:"profile,omitempty"`
	Repeats int       `json:"repeats,omitempty"`
	// Budgets is how long each workload measured and warmed up, by "workload/axes": "measure 250ms, warm 20ms".
	Budgets  map[string]string `json:"budgets,omitempty"`
	Seed     uint64            `json:"seed"`
	Order    []string          `json:"order,omitempty"` // names of the cells in the order of the trials, where the runner gives it
	CPUs     int               `json:"cpus,omitempty"`
	MemBytes uint64            `json:"mem_bytes,omitempty"`

	KernelFacts map[string]string `json:"kernel_facts,omitempty"`
	Tools       map[string]string `json:"tools,omitempty"` // version of each outside tool that took part
	QEMU        string            `json:"qemu,omitempty"`
	Objects     map[string]string `json:"objects,omitempty"` // hash of each BPF object
	Mitigations map[string]string `json:"mitigations,omitempty"`

	Plan        int     `json:"plan"` // trials planned
	Done        int     `json:"done"` // trials in bench.txt when env.json was last written
	MeasuredSec float64 `json:"measured_sec"`
	TotalSec    float64 `json:"total_sec"`
	StealSec    float64 `json:"steal_sec"`

	Outcomes []CellOutcome `json:"outcomes,omitempty"` // at most one a cell
	Rejected []Rejected    `json:"rejected,omitempty"`
	Gates    []Gate        `json:"gates,omitempty"`
	AA       []string      `json:"aa,omitempty"` // variants measured twice, the second time as NAME+aa
	Notes    []string      `json:"notes,omitempty"`

	// Skipped lists the cells without a number in runs made before outcomes were recorded. Open turns it into Outcomes.
	Skipped []oldSkip `json:"skipped,omitempty"`

	// The experiment's definition, as far as reports need it.
	Title      string                 `json:"title,omitempty"`
	Question   string                 `json:"question,omitempty"`
	Baseline   string                 `json:"baseline,omitempty"` // the variant that reports hold the others against
	Ask        string                 `json:"ask,omitempty"`
	Answers    []harness.Answer       `json:"answers,omitempty"`
	AnswerPlot string                 `json:"answer_plot,omitempty"` // names the plot that stands beside the answer
	Variants   []harness.Variant      `json:"variants,omitempty"`
	Workloads  []harness.WorkloadSpec `json:"workloads,omitempty"`
	Plots      []harness.PlotSpec     `json:"plots,omitempty"`
	Claims     []harness.Claim        `json:"claims,omitempty"`
	Scores     []harness.Score        `json:"scores,omitempty"`
	Laws       []harness.Law          `json:"laws,omitempty"`
}

// A CellOutcome is what became of a cell.
type CellOutcome struct {
	Cell    string          `json:"cell"` // in the form of harness.Cell.BenchName
	Outcome harness.Outcome `json:"outcome"`
	Where   string          `json:"where,omitempty"`  // where it was decided: harness.AtSetup and so on; empty if measured
	Reason  string          `json:"reason,omitempty"` // of several cells of a variant with one reason, only the first has all its lines
	Fate    string          `json:"fate,omitempty"`   // of a failed cell: the harness.Fate that its trial found; "": none is known
}

// oldSkip is a cell without a number in an old run, not supported or failed.
type oldSkip struct {
	Cell   string `json:"cell"`
	Reason string `json:"reason"`
}

// Rejected is a trial that was measured and does not count.
type Rejected struct {
	Cell    string             `json:"cell"`
	Repeat  int                `json:"repeat"`
	Reason  string             `json:"reason"`
	Start   time.Time          `json:"start,omitzero"`    // zero of one that never began
	Metrics map[string]float64 `json:"metrics,omitempty"` // for diagnosis, never for results
}

// Gate is a correctness gate that a variant passed before its numbers, or failed.
type Gate struct {
	Variant string     `json:"variant"`
	Where   string     `json:"where,omitempty"` // the set-up axis values it was checked under
	Passed  bool       `json:"passed"`
	Kept    *time.Time `json:"kept,omitempty"`   // when an earlier run passed it, if this one did not check it
	Detail  string     `json:"detail,omitempty"` // how many cases, or which one failed
}

// ShareMeasured is the share of the run's wall-clock time that was measurement; 0 if not known.
func (e *Env) ShareMeasured() float64 {
	if e.TotalSec <= 0 {
		return 0
	}
	return e.MeasuredSec / e.TotalSec
}

// Metric finds the specification of a unit of a workload.
func (e *Env) Metric(workload, unit string) (harness.MetricSpec, bool) {
	w, _ := harness.Find(e.Workloads, func(w harness.WorkloadSpec) bool { return w.Name == workload })
	return harness.Find(w.Metrics, func(m harness.MetricSpec) bool { return m.Unit == unit })
}

// Variant finds the definition of a variant; the second of an A/A pair has that of the first.
func (e *Env) Variant(name string) (harness.Variant, bool) {
	name = strings.TrimSuffix(name, harness.SuffixAA)
	return harness.Find(e.Variants, func(v harness.Variant) bool { return v.Name == name })
}

// fill sets the fields of the writer, and defaults.
func (e *Env) fill() {
	e.Schema, e.Tool, e.Complete, e.Done = Schema, tool, false, 0
	e.GOOS, e.GOARCH = cmp.Or(e.GOOS, runtime.GOOS), cmp.Or(e.GOARCH, runtime.GOARCH)
	if e.Started.IsZero() {
		e.Started = time.Now()
	}
	e.Started, e.Updated = e.Started.UTC().Round(0), time.Now().UTC().Round(0)
}

// check returns an error for what would break the record's format.
func (e *Env) check() error {
	var errs []error
	errs = append(errs, harness.CheckName("experiment", e.Experiment))
	if e.Complete && e.Partial != "" {
		errs = append(errs, fmt.Errorf("it is complete, and of %s only", e.Partial))
	}
	for _, kv := range e.keys() {
		if kv.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty", kv.key))
		} else if strings.ContainsFunc(kv.value, unicode.IsControl) || strings.TrimSpace(kv.value) != kv.value {
			errs = append(errs, fmt.Errorf("%s %q: control characters or spaces at its ends", kv.key, kv.value))
		}
	}
	for _, v := range e.Variants {
		errs = append(errs, harness.CheckName("variant", v.Name), harness.CheckName("class", v.Class))
	}
	for _, p := range e.Plots {
		errs = append(errs, checkPlotName(p.Name))
	}
	better := map[string]string{}
	for _, w := range e.Workloads {
		errs = append(errs, harness.CheckName("workload", w.Name))
		for _, a := range w.Axes {
			errs = append(errs, harness.CheckName("axis", a.Name))
		}
		for _, m := range w.Metrics {
			errs = append(errs, checkUnit(m.Unit))
			if m.Better != "higher" && m.Better != "lower" && m.Better != "neither" {
				errs = append(errs, fmt.Errorf("unit %q: better is %q, want higher, lower or neither", m.Unit, m.Better))
			}
			if b, ok := better[m.Unit]; ok && b != m.Better {
				errs = append(errs, fmt.Errorf("unit %q: better is %q in one workload, %q in another", m.Unit, b, m.Better))
			}
			better[m.Unit] = m.Better
		}
	}
	return errors.Join(append(errs, e.checkCounts(), e.checkCells())...)
}

// checkCounts returns an error for a number that no run can have.
func (e *Env) checkCounts() error {
	var errs []error
	for _, n := range []struct {
		name  string
		value float64
	}{
		{"plan", float64(e.Plan)}, {"done", float64(e.Done)}, {"repeats", float64(e.Repeats)}, {"cpus", float64(e.CPUs)},
		{"measured_sec", e.MeasuredSec}, {"total_sec", e.TotalSec}, {"steal_sec", e.StealSec},
	} {
		if n.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %g: it cannot be negative", n.name, n.value))
		}
	}
	if e.Plan > 0 && e.Done > e.Plan {
		errs = append(errs, fmt.Errorf("done is %d, more than the %d trials of plan", e.Done, e.Plan))
	}
	return errors.Join(errs...)
}

// checkCells returns an error for outcomes, rejected trials and gates of cells and variants that the run cannot have.
func (e *Env) checkCells() error {
	var errs []error
	for _, o := range e.Outcomes {
		_, err := ParseCell(e.Experiment, o.Cell)
		errs = append(errs, harness.Wrap(err, "outcome"))
		if !slices.Contains(harness.Outcomes(), o.Outcome) {
			errs = append(errs, fmt.Errorf("outcome of %s is %q", o.Cell, o.Outcome))
		}
		if o.Fate != "" {
			_, err := harness.ParseFate(o.Fate)
			errs = append(errs, harness.Wrap(err, "outcome of %s", o.Cell))
		}
	}
	for _, r := range e.Rejected {
		_, err := ParseCell(e.Experiment, r.Cell)
		errs = append(errs, harness.Wrap(err, "rejected trial"))
		if r.Repeat < 0 {
			errs = append(errs, fmt.Errorf("rejected trial of %s: repeat %d", r.Cell, r.Repeat))
		}
	}
	for _, g := range e.Gates {
		if _, ok := e.Variant(g.Variant); !ok {
			errs = append(errs, fmt.Errorf("gate of %q, which is none of the run's variants", g.Variant))
		}
	}
	return errors.Join(errs...)
}

// checkGates returns an error unless every variant of the trials passed its gate.
func (e *Env) checkGates(trials []harness.Trial) error {
	passed := map[string]bool{}
	for _, g := range e.Gates {
		passed[g.Variant] = passed[g.Variant] || g.Passed
	}
	for _, t := range trials {
		if !passed[t.Cell.Variant] {
			return fmt.Errorf("%s has trials of %s, %s has no gate that it passed", benchFile, t.Cell.Variant, EnvFile)
		}
	}
	return nil
}

// checkComplete returns an error for a complete run that lacks planned trials and says of none what became of it.
func (e *Env) checkComplete() error {
	unmeasured := slices.ContainsFunc(e.Outcomes, func(o CellOutcome) bool { return o.Outcome != harness.OutcomeMeasured })
	if e.Done < e.Plan && !unmeasured && len(e.Rejected) == 0 {
		return fmt.Errorf("%s says that the run is complete, and that %d of %d trials were done; no cell failed and no trial was rejected", EnvFile, e.Done, e.Plan)
	}
	return nil
}

type key struct{ key, value string }

// keys are the file keys of bench.txt, in their order.
func (e *Env) keys() []key {
	return []key{
		{"goos", e.GOOS}, {"goarch", e.GOARCH}, {"cpu", e.CPU}, {"kernel", e.Kernel},
		{"target", e.Target}, {"experiment", e.Experiment},
	}
}

// Better is +1 if higher values of the unit are better, -1 if lower ones are, 0 if neither is, or the run does not say.
func (e *Env) Better(workload, unit string) int {
	m, ok := e.Metric(workload, unit)
	switch {
	case ok && m.Better == "higher":
		return 1
	case ok && m.Better == "lower":
		return -1
	}
	return 0
}
