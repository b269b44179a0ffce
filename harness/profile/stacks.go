// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// The kinds of profiles.
const (
	OnCPU  = "on-CPU"  // time in which tasks ran
	OffCPU = "off-CPU" // time in which they were blocked, or waited for a CPU
)

// Kinds lists them.
func Kinds() []string { return []string{OnCPU, OffCPU} }

// A Profile is where the tasks of a trial spent their time, by stack.
type Profile struct {
	Cell   string   `json:"cell"`             // harness.Cell.BenchName
	Kind   string   `json:"kind"`             // OnCPU or OffCPU
	Unit   string   `json:"unit"`             // of values: "ns", or "insn" where a nanosecond is an instruction
	Window float64  `json:"window"`           // length of the windows in which stacks were sampled, in Unit, as all that follows
	Period float64  `json:"period,omitempty"` // of OnCPU: between two samples on a CPU
	Per    string   `json:"per,omitempty"`    // the unit of work, as in the units of metrics: "pkt"
	Work   float64  `json:"work,omitempty"`   // units of work in the windows; 0: not known
	Stacks []Stack  `json:"stacks"`           // sorted
	Notes  []string `json:"notes,omitempty"`  // what is not in the stacks, and why
}

// A Stack is a row of a Profile.
type Stack struct {
	Folded string  `json:"stack"` // the task and its functions, the outermost first, joined by semicolons
	Value  float64 `json:"value"`
}

// Frames are the task and its functions, the outermost first.
func (s Stack) Frames() []string { return strings.Split(s.Folded, ";") }

// KernelSuffix ends the frames of functions of the kernel, as in other tools for folded stacks. Those of BPF programs end in their own.
const KernelSuffix = "_[k]"

// Frames that are no function.
const (
	// Waits is the innermost frame of time in which a task was able to run and waited for a CPU.
	Waits = "(waits for a CPU)"
	// interrupts is the task of work that an interrupt does while the CPU has no task to run.
	interrupts = "(interrupts of an idle CPU)"
	unread     = "(stack lost)"
)

// A FrameKind decides how a frame is drawn.
type FrameKind int

const (
	User FrameKind = iota
	InKernel
	BPF
	Waiting
	Task
)

// KindOf is the kind of a frame, and its name without the suffix of the kernel. The first frame of a stack is a Task.
func KindOf(frame string) (FrameKind, string) {
	switch {
	case frame == Waits:
		return Waiting, frame
	case strings.HasSuffix(frame, bpfSuffix):
		return BPF, frame
	case strings.HasSuffix(frame, KernelSuffix):
		return InKernel, strings.TrimSuffix(frame, KernelSuffix)
	}
	return User, frame
}

// Scale is by what values are multiplied to be compared with those of another trial, and the unit that they then have: of one unit of
// work, or of a second if the work is not known.
func (p Profile) Scale() (factor float64, unit string) {
	switch {
	case p.Work > 0 && p.Per != "":
		return 1 / p.Work, p.Unit + "/" + p.Per
	case p.Window > 0:
		return 1e9 / p.Window, p.Unit + "/s"
	}
	return 1, p.Unit
}

// Total is the time of all stacks.
func (p Profile) Total() (sum float64) {
	for _, s := range p.Stacks {
		sum += s.Value
	}
	return sum
}

// Self is the time in each function itself, without those that it calls, the largest first.
func (p Profile) Self() []Function {
	sums := map[string]float64{}
	for _, s := range p.Stacks {
		f := s.Frames()
		_, name := KindOf(f[len(f)-1])
		sums[name] += s.Value
	}
	var out []Function
	for name, v := range sums {
		out = append(out, Function{name, v})
	}
	slices.SortFunc(out, func(a, b Function) int { return cmp.Or(cmp.Compare(b.Value, a.Value), strings.Compare(a.Name, b.Name)) })
	return out
}

// The beginnings of the names of the sampler's own functions: of its BPF programs, and in the process that runs it.
const (
	samplerBPF = "kx_"
	samplerGo  = "sampler.(*Sampler)."
)

// idleTask is the kernel's task of a CPU that has nothing to run.
const idleTask = "swapper"

// Profiles names the functions in the stacks of a trial and joins equal stacks. kernel is used where the trial has no symbols of its own.
func Profiles(cell, unit string, s harness.Stacks, kernel Kernel) []Profile {
	if len(s.Kernel) > 0 {
		kernel = Kernel{Symbols: s.Kernel, Modules: s.Modules}
	}
	space := NewSpace(kernel, harness.Counted{Programs: s.Programs, Modules: s.Modules})
	names := make([]string, len(s.Addresses))
	for i, a := range s.Addresses {
		names[i] = space.Name(a)
	}
	base := Profile{Cell: cell, Unit: unit, Window: float64(s.Length)}
	on, off := base, base
	on.Kind, on.Period, on.Notes = OnCPU, float64(s.Period), slices.Clone(s.Notes)
	off.Kind = OffCPU
	f := folder{names: names, user: s.Names}
	dropped := on.add(f, s.OnCPU, float64(s.Period))
	resting := off.add(f, s.OffCPU, 1)[rest]
	for _, why := range []dropReason{idle, own} {
		if n := dropped[why]; n > 0 {
			on.Notes = append(on.Notes, fmt.Sprintf("%s %s left out", harness.Plural(n, "sample"), why))
		}
	}
	if len(kernel.Symbols) == 0 && len(s.Addresses) > 0 {
		on.Notes = append(on.Notes, "the kernel shows no symbols: its functions have no names")
	}
	off.Notes = slices.Clone(on.Notes)
	if resting > 0 {
		off.Notes = append(off.Notes, fmt.Sprintf("%.3g s %s are left out", float64(resting)/1e9, rest))
	}
	return []Profile{on, off}
}

// A dropReason is why a sample is not part of a profile.
type dropReason string

const (
	kept dropReason = ""
	idle dropReason = "of an idle CPU"
	own  dropReason = "of the sampler itself"
	rest dropReason = "of blocked threads without work (the kernel's, and those of Go's scheduler)"
)

// add joins equal stacks into the profile's, each value that many nanoseconds, and returns how many samples are left out.
func (p *Profile) add(f folder, samples []harness.StackSample, ns float64) map[dropReason]int64 {
	sums, dropped := map[string]float64{}, map[dropReason]int64{}
	for _, s := range samples {
		frames, drop := f.frames(s, p.Kind == OffCPU)
		if drop != kept {
			dropped[drop] += s.Value
			continue
		}
		sums[strings.Join(frames, ";")] += float64(s.Value) * ns
	}
	p.Stacks = []Stack{}
	for folded, v := range sums {
		p.Stacks = append(p.Stacks, Stack{folded, v})
	}
	slices.SortFunc(p.Stacks, func(a, b Stack) int { return strings.Compare(a.Folded, b.Folded) })
	return dropped
}

// A folder turns samples into frames.
type folder struct{ names, user []string }

// frames are those of a sample, the task first.
func (f folder) frames(s harness.StackSample, off bool) (out []string, drop dropReason) {
	out = []string{clean(taskName(s.Task))}
	for _, i := range s.User {
		if strings.HasPrefix(f.user[i], samplerGo) {
			return nil, own
		}
		out = append(out, clean(f.user[i]))
	}
	kernel := make([]string, 0, len(s.Kernel))
	for _, i := range s.Kernel {
		name := clean(f.names[i])
		if strings.HasSuffix(name, bpfSuffix) {
			if strings.HasPrefix(name, samplerBPF) && !off {
				return nil, own
			}
		} else {
			name += KernelSuffix
		}
		if n := len(kernel); n > 0 && kernel[n-1] == name && strings.HasPrefix(name, "(") {
			continue // one of several without a name
		}
		kernel = append(kernel, name)
	}
	if off { // what is below the scheduler is the sampler
		if i := slices.Index(kernel, "__schedule"+KernelSuffix); i >= 0 {
			kernel = kernel[:i]
		}
	}
	if out[0] == idleTask {
		i := slices.IndexFunc(kernel, isInterrupt)
		if i < 0 {
			return nil, idle
		}
		out, kernel = []string{interrupts}, kernel[i:]
	}
	if off && !s.Waits && (len(s.User) == 0 && len(kernel) > 0 || slices.ContainsFunc(out, isGoIdle)) {
		return nil, rest
	}
	if out = append(out, kernel...); len(out) == 1 {
		out = append(out, unread)
	}
	if s.Waits {
		out = append(out, Waits)
	}
	return out, kept
}

// isGoIdle tells whether a function is one in which a thread of a Go program waits for work, or watches the others.
func isGoIdle(frame string) bool {
	switch frame {
	case "runtime.findRunnable", "runtime.sysmon", "runtime.stopm", "runtime.stoplockedm", "runtime.templateThread":
		return true
	}
	return false
}

// isInterrupt tells whether a function of the kernel begins the work of an interrupt.
func isInterrupt(frame string) bool {
	name := strings.TrimSuffix(frame, KernelSuffix)
	return name == "handle_softirqs" || name == "__do_softirq" || name == "__irq_exit_rcu" || name == "irq_exit_rcu" || name == "common_interrupt"
}

// taskName is the name of a task without what tells it from others of its kind: "ksoftirqd" of "ksoftirqd/0".
func taskName(comm string) string {
	head, _, _ := strings.Cut(comm, "/")
	return cmp.Or(strings.TrimRight(head, "0123456789"), comm)
}

// clean is a name that can stand in folded stacks.
func clean(name string) string { return strings.NewReplacer(";", ",", "\n", " ").Replace(name) }
