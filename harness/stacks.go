// SPDX-License-Identifier: Apache-2.0

package harness

import "time"

// A Sampler samples the stacks of tasks within windows, which a workload opens: see Budget.Window.
type Sampler interface {
	Begin()
	End()
}

// Window opens a window in which stacks are sampled; the function that it returns closes it. Without a Sampler both do nothing. A
// trial may have several windows, one after another.
func (b Budget) Window() (end func()) {
	if b.Sampler == nil {
		return func() {}
	}
	b.Sampler.Begin()
	return b.Sampler.End
}

// Stacks are what was sampled in the windows of a trial: one more trial than those that are measured.
type Stacks struct {
	Length time.Duration // of all windows
	Period time.Duration // between two samples on a CPU
	OnCPU  []StackSample // of tasks that ran; each value is a number of samples
	OffCPU []StackSample // of tasks that had left the CPU; each value is a time, ns
	// Addresses and Names are what the samples refer to: code of the kernel, and functions of programs.
	Addresses []uint64
	Names     []string
	// Programs are the functions of the BPF programs that were loaded when the last window closed, Modules the text of kernel modules.
	Programs, Modules []Symbol
	// Kernel are the functions of the kernel at Addresses; empty where they are known otherwise (target exact).
	Kernel  []Symbol
	Notes   []string // what could not be sampled or read, and why
	Windows int
}

// A StackSample is a stack, the outermost function first.
type StackSample struct {
	Task   string
	User   []int // indices of Names
	Kernel []int // indices of Addresses
	Waits  bool  // off the CPU: the task was able to run, and waited for a CPU
	Value  int64
}
