// SPDX-License-Identifier: Apache-2.0

// Package sched is the family of CPU schedulers: the kernel's own (EEVDF) and BPF schedulers (sched_ext). The kernel
// runs one scheduler at a time, so each trial enables its member and disables it again. BPF schedulers run in guests
// only.
// The package owns the workloads (package load and tools of the distribution), the report of a scheduler's exit, and
// the correctness gate. The runner decides order, repeats and validity across trials.
package sched
