// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"strings"
	"time"
)

// An Experiment is a question with its variants, workloads, axes and plots, as written in experiments/NAME.yaml. It is
// a pure reading of the file: nothing in it depends on the running kernel.
type Experiment struct {
	Name string
	// Extends names a definition, shipped or a path, whose fields are this one's unless given. Keep names those of its variants
	// that take part; empty: all. Both are empty in an experiment that was opened.
	Extends string   `json:",omitempty"`
	Keep    []string `json:",omitempty"`
	// Family sets up the network or the guest and measures the workloads; also the folder of its variants' objects under
	// bpf/. Default: Name.
	Family   string
	Title    string
	Question string
	// Targets are where it can run, the default first. Empty: all, TargetHost first.
	Targets []string
	Guest   GuestSpec // targets vm and exact
	// AA names the variant that is measured twice, the second time as NAME+aa, to show the run's own noise.
	AA string
	// Baseline names the variant that reports hold the others against; "": the first that was measured.
	Baseline string `json:",omitempty"`
	// Ask is the question in a few words, which heads its page: "Which load balancer?". Empty: Title.
	Ask string `json:",omitempty"`
	// Answers are the needs that a report answers first, the most common first. Empty: the report chooses by a rule.
	Answers []Answer `json:",omitempty"`
	// AnswerPlot names the plot that stands beside the answer. Empty: the first.
	AnswerPlot string `json:",omitempty"`
	Variants   []Variant
	// ObjectsOf names experiments whose variants with a BPF object are added to Variants: with the same knobs, loaded but not
	// attached, in a class named after their experiment. "all" alone stands for all other shipped experiments.
	ObjectsOf []string
	// Faulty says that the variants' objects have faults on purpose, so that "all" in ObjectsOf leaves them out.
	Faulty    bool `json:",omitempty"`
	Workloads []WorkloadSpec
	Profiles  []Profile
	Plots     []PlotSpec
	Scores    []Score
	Laws      []Law
	// Data is what the family needs beyond a definition, in a form of its own; no definition holds it.
	Data []byte `yaml:"-" json:",omitempty"`
	// Loading is about how long a trial on target exact takes to load its program anew, beyond what it always takes; for estimates alone.
	Loading time.Duration `yaml:"-" json:"-"`
}

// The targets: where trials run.
const (
	TargetHost  = "host"  // this kernel, in namespaces and cgroups of the lab's own
	TargetVM    = "vm"    // a chosen kernel in a guest, in wall-clock time
	TargetExact = "exact" // a chosen kernel in a guest whose clock counts instructions
)

// Targets lists them.
func Targets() []string { return []string{TargetHost, TargetVM, TargetExact} }

// TargetsOr are the experiment's targets, all of them if it names none.
func (e Experiment) TargetsOr() []string {
	if len(e.Targets) == 0 {
		return Targets()
	}
	return e.Targets
}

// VariantNames lists the names of the variants.
func (e Experiment) VariantNames() []string {
	return Map(e.Variants, func(v Variant) string { return v.Name })
}

// Workload returns the workload of that name. An unknown name is an *UnknownError.
func (e Experiment) Workload(name string) (WorkloadSpec, error) {
	w, _ := Find(e.Workloads, func(w WorkloadSpec) bool { return w.Name == name })
	return w, Known("workload", name, Map(e.Workloads, func(w WorkloadSpec) string { return w.Name }))
}

// A GuestSpec is what an experiment needs of a guest beyond the lab's own binary.
type GuestSpec struct {
	CPUs int // 0: 1
	// ExactCPUs replaces CPUs on target exact, where virtual CPUs take turns on one clock; 0: CPUs.
	ExactCPUs int
	// ExactParts is how many guests share the workloads of a group on target exact; 0: 1.
	ExactParts int
	// ExactGates is how many guests check the gates of a group on target exact for all others of the run; 0: every guest
	// checks its own.
	ExactGates int
	// ExactTogether has one guest make all repeats of a group on target exact: for trials that set up anew what their seed decides.
	ExactTogether bool
	MemoryMB      int // MiB; 0: 1024
	Modules       []string
	// Tools are commands of this machine that are copied, with their libraries, into guests that have the lab's own root file
	// system.
	Tools []string
	// Root is the default root file system on target vm: "host" (this machine's) or "image" (the lab's own); "": host.
	Root string
}

// A Variant is one implementation in the comparison.
type Variant struct {
	Name string
	// Like names another variant of the definition, or of that which it extends, whose fields are this one's unless given.
	// Empty in an experiment that was opened.
	Like  string `json:",omitempty"`
	Class string // variants of one class do the same work and may be ranked together
	// Attach is how it is put in force: one of the family's methods.
	Attach string
	// Object names the compiled BPF object, "lb/xdp_nat", or is the path of one: "./mine.bpf.o". Empty for the kernel's own
	// implementations.
	Object string
	Source string `json:",omitempty"` // path of a BPF source, which is compiled; instead of Object
	Knobs  []Knob // values for the object's const volatile variables
	// Original names the variant that this one is a port of; workloads and reports compare the two.
	Original string
	// Control marks a port that differs on purpose: reports check that they find it not equivalent.
	Control bool
	// Settings are options of a method without an object.
	Settings []Setting
	// Algorithm is the kernel's name of a congestion control without an object, where Name is another; "": Name.
	Algorithm string `json:",omitempty"`
	// Command is the program of AttachCommand, and nil with all other methods.
	Command *Command `json:",omitempty"`
	// Hue names the variants that plots draw in shades of one colour; "": the original of a port, or what the name begins with, up to a hyphen.
	Hue   string `json:",omitempty"`
	About string // one line: what it is and what extra work it does
}

// A Setting is a choice that an attach method offers.
type Setting struct{ Name, Value string }

// A Knob sets one const volatile variable of a BPF object.
type Knob struct {
	Name  string
	Value uint64
}

// ClassCeiling is the class of variants that do no work: the physical limit on this machine.
const ClassCeiling = "ceiling"

// ClassBroken is the class of variants that are broken on purpose, to test the gate. A variant of this class that passes its
// gate has failed.
const ClassBroken = "broken"

// SuffixAA ends the second name of the variant that is measured twice.
const SuffixAA = "+aa"

// A WorkloadSpec names a behaviour of the family and the axes it may be swept over.
type WorkloadSpec struct {
	Name  string
	About string
	Axes  []Axis // with the values taken where a profile or a flag names none
	// Classes are those of the variants that take part; none: all.
	Classes []string
	// Metrics are the units that the workload reports.
	Metrics []MetricSpec
}

// Units lists the units that the workload reports.
func (w WorkloadSpec) Units() []string {
	return Map(w.Metrics, func(m MetricSpec) string { return m.Unit })
}

// AxisNames lists the names of the workload's axes.
func (w WorkloadSpec) AxisNames() []string {
	return Map(w.Axes, func(a Axis) string { return a.Name })
}

// An Axis is a parameter that is swept.
type Axis struct {
	Name   string
	Values []string
	// Setup marks an axis whose values need separate set-ups. Cells with the same values of all set-up axes share one Stage,
	// and their trials are interleaved.
	Setup bool
}

// A MetricSpec describes one unit that a workload reports.
type MetricSpec struct {
	Unit   string // base units only: "pkt/s", "sec", "cpu-ns/pkt"
	Better string // "higher", "lower" or "neither": it tells what happens, and a difference is no verdict
	About  string
	// Compare is CompareRatio or CompareDifference. Empty: CompareDifference for shares and counts of faults, else
	// CompareRatio.
	Compare string `json:",omitempty"`
	// Least is the least difference that counts, in the unit (0.002 of a share is 0.2 points); 0: leastShare or leastCount. Of ratios
	// it is relative (0.03 is 3 %), and the comparison's own least counts if it is larger.
	Least float64 `json:",omitempty"`
}

// Comparisons of the values of two runs.
const (
	CompareRatio      = "ratio"
	CompareDifference = "difference" // new less old: for values that may be 0
	CompareWord       = "word"       // the same or another: for fates, and for nothing else
)

// CompareWays lists those that a definition may ask for.
func CompareWays() []string { return []string{CompareRatio, CompareDifference} }

// The default of MetricSpec.Least.
const (
	leastShare = 0.005
	leastCount = 1
)

// Difference reports whether values are compared as differences.
func (m MetricSpec) Difference() bool {
	switch m.Compare {
	case CompareRatio:
		return false
	case CompareDifference:
		return true
	}
	return isShare(m.Unit) || isCount(m.Unit)
}

// LeastRatio is the least relative difference that counts; 0 if none is set or differences are compared.
func (m MetricSpec) LeastRatio() float64 {
	if m.Difference() {
		return 0
	}
	return m.Least
}

// LeastDifference is Least of differences or its default: 0 if the unit is neither a share nor a count.
func (m MetricSpec) LeastDifference() float64 {
	switch {
	case m.Least > 0 && m.Difference():
		return m.Least
	case isShare(m.Unit):
		return leastShare
	case isCount(m.Unit):
		return leastCount
	}
	return 0
}

func isShare(unit string) bool { return unit == "share" || strings.HasSuffix(unit, "-share") }

// isCount reports whether a unit counts faults, so that its values may be 0.
func isCount(unit string) bool {
	amount, _, _ := strings.Cut(unit, "/")
	return amount == "broken" || strings.HasSuffix(amount, "-broken") || amount == "lost-B"
}

// A Profile says how much of the matrix is run and for how long: smoke, quick, wide or full.
type Profile struct {
	Name    string
	Repeats int
	// Measure is how long one trial of a timed workload measures, Warm how long it runs unmeasured before.
	Measure, Warm time.Duration
	// VM replaces the three above on target vm, where instructions may be emulated.
	VM Budgets
	// Exact replaces the three above on target exact, where a second is 10^9 instructions.
	Exact     Budgets
	Workloads []ProfileWorkload
}

// Budgets are how often and how long a workload measures; 0 replaces nothing.
type Budgets struct {
	Repeats       int
	Measure, Warm time.Duration
}

// A ProfileWorkload selects a workload in a profile and overrides the default values of its axes.
type ProfileWorkload struct {
	Name          string
	Repeats       int           // 0: the profile's
	Measure, Warm time.Duration // 0: the profile's
	VM            Budgets       // over the profile's, on target vm
	Exact         Budgets       // the same on target exact
	Axes          []Axis
	// Targets, when not empty, restricts the workload in this profile to these targets.
	Targets []string
	// Only, when not empty, restricts the workload to these variants in this profile.
	Only []string
}

// An Answer is a need of users, and the cells that decide which variant serves it.
type Answer struct {
	Need     string // "Many services, first packets"
	Workload string
	Unit     string
	Where    []AxisValue // only cells with these axis values; of several combinations that are left, a report takes one
	// Price marks a need that is not chosen by: it says what the best variant of the first need costs here.
	Price bool `json:",omitempty"`
	// Whole is the value in the unit at which a variant serves the need wholly. If it is not 0, the answer is yes or no, with the variants
	// that reach it in every trial.
	Whole float64 `json:",omitempty"`
	// Zero is a unit that must be 0 in every trial besides, if it was recorded: a share of packets out of order. Empty: none.
	Zero string `json:",omitempty"`
	// Of are the variants that the question is about, and Over those that each is held against. Empty: all, against the baseline.
	Of   []string `json:",omitempty"`
	Over []string `json:",omitempty"`
}

// A PlotSpec declares one plot of the trials of a workload in a unit.
type PlotSpec struct {
	Name     string // file name, without ending
	Title    string
	Kind     string // one of PlotKinds; empty: bars, or lines over X
	Workload string
	Unit     string // of the ordinate, and of the abscissa in PlotCDF
	// Against is the unit along the abscissa in PlotScatter, Series the raw series to draw, Marks a series whose X are drawn as
	// vertical lines.
	Against, Series, Marks string
	// X is the axis along the abscissa; empty for a bar a variant.
	X          string
	LogX, LogY bool
	Class      string      // restricts to one class and the ceilings; empty for all
	Only       []string    // restricts to these variants; empty for all
	Where      []AxisValue // only cells with these axis values
	Labels     struct{ X, Y string }
}

// The kinds of plots beside bars and lines over an axis.
const (
	PlotScatter  = "scatter"  // one unit against another, a point a variant
	PlotSeries   = "series"   // a raw series of one trial over its X, a line a variant
	PlotCDF      = "cdf"      // a raw series with values as X and shares as Y, a line a variant
	PlotFlows    = "flows"    // numbered series of one trial, "SERIES 1" and on, over their X, a line each
	PlotHeatmap  = "heatmap"  // a variant a row, a value of axis X a column, the unit as shade and number
	PlotTimeline = "timeline" // tasks on CPUs: series called "SERIES CPU TASK", X the starts of slices, Y their lengths
)

// PlotKinds lists them.
func PlotKinds() []string {
	return []string{PlotScatter, PlotSeries, PlotCDF, PlotFlows, PlotHeatmap, PlotTimeline}
}
