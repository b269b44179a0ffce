// SPDX-License-Identifier: Apache-2.0

// Package mark executes marks: instructions that QEMU's plug-in for counting (vm/plugin) knows by their bytes. Between a Begin and an
// End it counts what the guest executes, by address. Without the plug-in a mark is a load of a constant and has no effect.
//
// BPF programs execute the same marks (bpf/include/mark.bpf.h). Package vm launches the plug-in, package profile reads what it wrote.
package mark

// The kinds of marks, as the plug-in writes them.
const (
	KindBegin = 0 // the window opens; what came before is forgotten
	KindLap   = 1 // a lap of the window is over
	KindEnd   = 2 // the window is over
	KindSkip  = 3 // what was executed since the last mark belongs to no lap
	KindTrial = 4 // a trial begins
)
