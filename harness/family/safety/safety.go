// SPDX-License-Identifier: Apache-2.0

// Package safety is the family of faults: BPF programs and kernel modules with one fault each, and what becomes of them.
//
// The corpus is bpf/safety. Each fault says what each kernel makes of it; a kernel that does otherwise fails the cell. A program that was
// accepted is run in guests only, and modules are loaded there only: they may kill their guest, whose end is then the result.
package safety

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// Family is the family of faults.
type Family struct{ Loader *bpfobj.Loader }

// Workloads.
const (
	workLoad   = "load"   // load a program, and run nothing
	workFault  = "fault"  // load a program or module and run it
	workVerify = "verify" // load a program of a size and a shape
)

// Axes, and the values of axisBy: with which rights the fault enters the kernel.
const (
	axisBy    = "by"
	axisShape = "shape"
	axisSize  = "size"

	byRoot   = "root"   // a BPF program, loaded with all rights
	byBPF    = "bpf"    // the same, loaded with bpfRights
	byModule = "module" // a kernel module
)

// methodFault is the only attach method: the fault is loaded, and run by the kernel's test run.
const methodFault = "fault"

// Methods returns the only method.
func (Family) Methods() []string { return []string{methodFault} }

// Workloads names the workloads.
func (Family) Workloads() []string { return []string{workLoad, workFault, workVerify} }

// Axes names the axes.
func (Family) Axes() []string { return []string{axisBy, axisShape, axisSize} }

// ways are the values of axisBy.
func (Family) ways() []string { return []string{byRoot, byBPF, byModule} }

// CheckAxis refuses unknown values.
func (f Family) CheckAxis(name, value string) error {
	switch name {
	case axisBy:
		return harness.Known("value of axis by", value, f.ways())
	case axisShape:
		return harness.Known("value of axis shape", value, shapes())
	case axisSize:
		_, err := parseSize(value)
		return err
	}
	return nil
}

// CheckVariant refuses a fault whose expectations cannot be read, contradict each other, or say nothing of root.
func (f Family) CheckVariant(v harness.Variant) error {
	_, all, err := openFault(v)
	if err == nil && !slices.ContainsFunc(all, func(e expectation) bool { return e.by == byRoot }) {
		err = fmt.Errorf("read %s: %w", v.Object, errNone)
	}
	return err
}

// A stage holds the members of a group, none of them loaded.
type stage struct {
	loader  *bpfobj.Loader
	members []harness.Member
	kernel  version
	guest   bool
}

// Prepare stores the members. In a guest it makes the kernel panic at each fault that it notices.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	kernel, err := thisKernel()
	if err != nil {
		return nil, err
	}
	if g.Guest {
		if err := panicOnFaults(); err != nil {
			return nil, err
		}
	}
	s := &stage{loader: f.Loader, members: g.Members, kernel: kernel, guest: g.Guest}
	// The library finds out once what the kernel can do, for which it needs all rights.
	return s, s.alive()
}

// thisKernel is the version of the running kernel.
func thisKernel() (version, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return version{}, fmt.Errorf("read the kernel's version: %w", err)
	}
	return parseVersion(unix.ByteSliceToString(uts.Release[:]))
}

// Absent is empty: a fault that does not load has a fate.
func (s *stage) Absent() map[string]error { return nil }

// Check does nothing: each trial holds the kernel against what is recorded.
func (s *stage) Check(context.Context, string) error { return nil }

// Measure makes one trial.
func (s *stage) Measure(ctx context.Context, c harness.Cell, _ harness.Budget) (harness.Result, error) {
	i := slices.IndexFunc(s.members, func(m harness.Member) bool { return m.Name == c.Variant })
	if i < 0 {
		return harness.Result{}, fmt.Errorf("no member %q in this group", c.Variant)
	}
	v := s.members[i].Variant
	if c.Workload == workVerify {
		return s.verify(c)
	}
	if c.Workload == workLoad && c.Axis(axisBy) == byModule {
		return harness.Result{}, harness.Skip("a module is not verified: loading it runs it; take workload %s", workFault)
	}
	if c.Workload == workFault && !s.guest {
		return harness.Result{}, harness.Skip("faults run in guests only: take target exact or vm")
	}
	return s.fault(ctx, v, c)
}

// Close does nothing.
func (s *stage) Close() error { return nil }

// fault loads a fault and, if the workload says so, runs it, and holds what happened against what is recorded.
func (s *stage) fault(ctx context.Context, v harness.Variant, c harness.Cell) (harness.Result, error) {
	by := c.Axis(axisBy)
	want, err := expectedOf(v, by, s.kernel)
	if err != nil {
		return harness.Result{}, setupOf(v, by, err)
	}
	var got found
	var more []harness.Metric
	if by == byModule {
		got, err = s.module(ctx, v)
	} else {
		got, more, err = s.program(ctx, v, by, c.Workload == workFault)
	}
	if err != nil {
		return harness.Result{}, setupOf(v, by, err)
	}
	if c.Workload == workLoad {
		want = want.loaded()
	}
	if err := s.alive(); err != nil {
		return harness.Result{}, setupOf(v, by, fmt.Errorf("%v, and then the kernel was not well: %w", got, err))
	}
	if err := want.judge(got); err != nil {
		return resultOf(got), setupOf(v, by, fmt.Errorf("kernel %v: %w", s.kernel, err))
	}
	if c.Workload == workFault { // the verifier's work is workload load's
		more = nil
	}
	return resultOf(got, more...), nil
}

// setupOf makes an error decide the cell.
func setupOf(v harness.Variant, by string, err error) error {
	return harness.SetupError(fmt.Errorf("fault %s by %s: %w", v.Name, by, err))
}

// resultOf is the result of a fault. A guest whose memory was changed is not used again.
func resultOf(f found, more ...harness.Metric) harness.Result {
	value := float64(f.fate)
	return harness.Result{
		Iterations: 1,
		Metrics:    append([]harness.Metric{{Unit: harness.UnitFate, Value: value}}, more...),
		Series:     []harness.Series{{Name: harness.SeriesWords, Unit: harness.UnitFate, Y: []float64{value}, Notes: f.detail()}},
		Spent:      f.fate >= harness.FateCorruption,
	}
}

// detail is what the kernel said or the program returned.
func (f found) detail() string {
	if f.words != "" {
		return f.words
	}
	if f.value != nil {
		return fmt.Sprintf("returned %d", *f.value)
	}
	return ""
}

// Died says what became of a fault whose guest died in it.
func (f Family) Died(v harness.Variant, c harness.Cell, d harness.Death) (harness.Result, error) {
	by := c.Axis(axisBy)
	if c.Workload != workFault {
		return harness.Result{}, setupOf(v, by, fmt.Errorf("the guest died, though nothing was to run: %s", d.Text))
	}
	kernel, err := parseVersion(d.Kernel)
	if err != nil {
		return harness.Result{}, setupOf(v, by, err)
	}
	want, err := expectedOf(v, by, kernel)
	if err != nil {
		return harness.Result{}, setupOf(v, by, err)
	}
	got := readDeath(d)
	if err := want.judge(got); err != nil {
		err = fmt.Errorf("kernel %v: %w\n%s", kernel, err, d.Text)
		if d.Hung { // or this machine had no time for the guest
			return harness.Result{}, err
		}
		return resultOf(got), setupOf(v, by, err)
	}
	return resultOf(got), nil
}

// hangWords are what the kernel or the family says of a hang.
var hangWords = []string{"soft lockup", "hung_task", "blocked for more than", hangMark, "self-detected stall", "detected stalls"}

// readDeath reads the end of a guest.
func readDeath(d harness.Death) found {
	if d.Hung {
		return found{fate: harness.FateHang, words: "nothing came from the guest any more"}
	}
	line, _, _ := strings.Cut(d.Text, "\n")
	line = strings.TrimPrefix(strings.TrimPrefix(line, "guest: "), "kernel panic: ")
	for _, w := range hangWords {
		if strings.Contains(d.Text, w) {
			return found{fate: harness.FateHang, words: line, text: d.Text}
		}
	}
	return found{fate: harness.FateOops, words: line, text: d.Text}
}
