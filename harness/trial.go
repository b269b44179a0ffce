// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"strings"
	"time"
)

// An AxisValue is one axis of a cell with the value it has there.
type AxisValue struct{ Name, Value string }

// A Cell is one combination of workload, variant and axis values.
type Cell struct {
	Experiment string
	Workload   string
	Class      string
	Variant    string      // the name in the record, with SuffixAA for the second of a pair
	Axes       []AxisValue // in the order in which the workload declares them
}

// Axis returns the value of the named axis, or "" if the cell has none of that name.
func (c Cell) Axis(name string) string {
	a, _ := Find(c.Axes, func(a AxisValue) bool { return a.Name == name })
	return a.Value
}

// BenchName is the cell's name in the Go benchmark format, without the Benchmark prefix:
// "LB/workload=pps/class=nat/variant=xdp-nat/services=1".
func (c Cell) BenchName() string {
	return strings.ToUpper(c.Experiment) + "/workload=" + c.Workload + "/class=" + c.Class + "/variant=" + c.Variant + c.AxesName("")
}

// AxesName names the cell's axis values except the axis without: "/services=1/ip=4".
func (c Cell) AxesName(without string) string {
	var b strings.Builder
	for _, a := range c.Axes {
		if a.Name != without {
			b.WriteString("/" + a.Name + "=" + a.Value)
		}
	}
	return b.String()
}

// At is the cell's workload and axis values as people read them: "pps services=1 ip=4".
func (c Cell) At() string { return c.Workload + strings.ReplaceAll(c.AxesName(""), "/", " ") }

// AxesText is the axis values alone: "services=1 ip=4".
func (c Cell) AxesText() string {
	return strings.TrimPrefix(strings.ReplaceAll(c.AxesName(""), "/", " "), " ")
}

// A Metric is one measured number in a base unit.
type Metric struct {
	Unit  string
	Value float64
	// Beyond says that the quantity lies beyond what the trial could measure, of which Value is the end: a quantile in the
	// last bucket of a histogram. Such a value is printed as a bound and compared with nothing.
	Beyond bool `json:",omitempty"`
}

// A Series is raw data behind a metric: a histogram, a time series, per-bucket counts.
type Series struct {
	Name  string    `json:"name"`
	Unit  string    `json:"unit"`
	X     []float64 `json:"x,omitempty"` // seconds, the upper edges of buckets, or what Notes says; empty: the index
	Y     []float64 `json:"y"`
	Notes string    `json:"notes,omitempty"`
}

// A Result is what one measurement of a cell yields. A Result with Invalid set is kept with its reason but is not a
// number: it never enters the record.
type Result struct {
	Iterations int64 // units of work done: packets, connections, requests
	Metrics    []Metric
	Series     []Series
	Measured   time.Duration // how much of the wall-clock time was measurement
	Invalid    string        // why the trial does not count; empty if it does
	Spent      bool          `json:",omitempty"` // the guest, if it is one, must make no further trial
	Counted    *Counted      `json:",omitempty"` // of a trial whose instructions are counted by address
	Stacks     *Stacks       `json:",omitempty"` // of a trial whose stacks are sampled
}

// A Trial is one measurement of one cell.
type Trial struct {
	Cell   Cell
	Repeat int // 0, 1, …
	Order  int // position in the run's order
	Seed   uint64
	Start  time.Time
	Result Result
}

// A Budget tells a measurement how long it should take.
type Budget struct {
	Warm, Measure time.Duration
	Seed          uint64
	// Exact says that the clock counts instructions, one a nanosecond (target exact): costs are then reported as
	// instructions and not as time.
	Exact bool
	// Counted receives the windows in which instructions were counted by address; nil: they are not counted.
	Counted *Counted
	// Sampler samples stacks within the windows that the workload opens (Window); nil: they are not sampled.
	Sampler Sampler
}

// A Family is a kind of kernel extension as the runner sees it: it builds the place where its variants work.
type Family interface {
	// Workloads names the behaviours the family knows, for strict checking of definitions.
	Workloads() []string
	// Methods names the ways in which the family's variants can be put in force: what Variant.Attach may be.
	Methods() []string
	// Axes names the axes the family understands.
	Axes() []string
	// Prepare builds what a group of cells shares (namespaces, services) and puts every member in force.
	Prepare(ctx context.Context, g Group) (Stage, error)
}

// A Group is a set of variants to be put in force side by side under one set of set-up axis values.
type Group struct {
	Axes    []AxisValue // the set-up axes only
	Members []Member
	Seed    uint64
	// Exact is Budget.Exact, and means a guest that is slow and small: what only fills memory or time is left out.
	Exact bool
	// Guest says that the machine is a guest of the lab, whose scheduler may be replaced.
	Guest bool
	Data  []byte // Experiment.Data
	// Progress is called with what is being set up; may be nil.
	Progress func(what string)
}

// PhaseSetUp stands before a member's name in what Progress is called with.
const PhaseSetUp = "set up "

// Begin says that a member's set-up begins: if the guest crashes in it, the member has failed.
func (g Group) Begin(m Member) {
	if g.Progress != nil {
		g.Progress(PhaseSetUp + m.Name)
	}
}

// A Member is one variant under the name it has in the record.
type Member struct {
	Name string // variant name, with SuffixAA for the second of an A/A pair
	Variant
}

// A Stage holds the members of a group in force, ready to be measured in any order.
type Stage interface {
	// Absent gives, for each member that could not be put in force, the error. One that wraps ErrNotSupported means that
	// this machine lacks something, any other that the variant is wrong.
	Absent() map[string]error
	// Check runs the correctness gate on a member. A failed check is an error that names the case; one that wraps
	// ErrNotSupported means that this machine cannot run the member.
	Check(ctx context.Context, member string) error
	// Measure measures one cell. An error that wraps ErrNotSupported or ErrSetup decides the cell: it is not supported, or
	// has failed. Any other error makes the trial invalid unless ctx is done.
	Measure(ctx context.Context, c Cell, b Budget) (Result, error)
	// Close undoes all of it. An error that TakeDown marks is its member's alone: the member has failed. Any other ends the run.
	Close() error
}

// CheckAxis returns an error if the family has a method CheckAxis and that refuses a value of an axis: definitions and flags are
// checked before anything is set up.
func CheckAxis(f Family, name, value string) error {
	if c, ok := f.(interface {
		CheckAxis(name, value string) error
	}); ok {
		return c.CheckAxis(name, value)
	}
	return nil
}

// CheckVariant returns an error if the family has a method CheckVariant and that refuses a variant with an object of the user's: the fault
// shows without a run.
func CheckVariant(f Family, v Variant) error {
	if c, ok := f.(interface{ CheckVariant(v Variant) error }); ok {
		return c.CheckVariant(v)
	}
	return nil
}

// Settings are the values of each setting of an attach method, from the family's method Settings if it has one.
func Settings(f Family, method string) map[string][]string {
	if c, ok := f.(interface {
		Settings() map[string]map[string][]string
	}); ok {
		return c.Settings()[method]
	}
	return nil
}

// An Outcome is the result of a cell. A cell has one: package runner decides it, and all others read it in the record.
type Outcome string

const (
	// OutcomeMeasured means that at least one trial counts.
	OutcomeMeasured Outcome = "measured"
	// OutcomeNotSupported means that this machine, kernel or kind of variant lacks a feature (ErrNotSupported).
	OutcomeNotSupported Outcome = "not supported"
	// OutcomeFailed means that the program or the variant is wrong: it does not load, attach or pass its gate.
	OutcomeFailed Outcome = "failed"
	// OutcomeInvalid means that the cell was tried and no trial counts.
	OutcomeInvalid Outcome = "invalid"
	// OutcomeCaught means that the variant is broken on purpose (ClassBroken) and its gate noticed, as it must.
	OutcomeCaught Outcome = "caught"
)

// Outcomes lists them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeMeasured, OutcomeNotSupported, OutcomeFailed, OutcomeInvalid, OutcomeCaught}
}

// Stages at which an outcome is decided.
const (
	AtSetup    = "set-up"    // while the place was built or the variant put in force
	AtGate     = "gate"      // by the correctness gate
	AtTrial    = "trial"     // while it was measured
	AtTakeDown = "take-down" // while it was taken out of force
	AtGuest    = "guest"     // by the death of a guest
)

// A Death is the end of a guest in a trial.
type Death struct {
	Kernel string // the guest's release
	Hung   bool   // nothing came from it any more
	Text   string // the cause, with the console's part
}

// A Mortal is a family whose trials may kill their guest, because that is what they find out.
type Mortal interface {
	// Died says what the trial yields whose guest died in it. An error that wraps ErrSetup decides the cell: it has failed. After another
	// error the trial is made once more.
	Died(v Variant, c Cell, d Death) (Result, error)
}

// SeriesWords is the name of a series whose notes say in words what the one value, of a unit of the same trial, stands for.
const SeriesWords = "words"
