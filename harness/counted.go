// SPDX-License-Identifier: Apache-2.0

package harness

// A Counted is what a guest says of a trial whose instructions are counted by address (target exact): one more trial than those that
// are measured.
type Counted struct {
	Windows []CountedWindow // in their order
	// Programs are the functions of the BPF programs that were loaded at the end of a window, Modules the text of kernel modules.
	Programs, Modules []Symbol
	Failed            string `json:",omitempty"` // why Programs or Modules are not all there
}

// A CountedWindow is a part of a trial in which instructions are counted.
type CountedWindow struct {
	Unit   string  // of a metric: "insn/pkt"
	Amount float64 // units of work: in each lap, or in the window if it has no laps
	Laps   bool
	Empty  bool // every second lap is of the same work without the program under test, and is taken off the lap before
}

// A Symbol is a function, or other code, in the kernel's memory.
type Symbol struct {
	Name        string
	Start, Size uint64 // bytes; Size 0: up to the next symbol
}
