// SPDX-License-Identifier: Apache-2.0

// Package sampler samples the stacks of this kernel's tasks in windows: of those that run, by a perf event of the CPU clock, and of
// those that have left the CPU, at context switches (bpf/traffic/stacks.bpf.c).
//
// It names the functions of programs, from their files, while they run. Functions of the kernel stay addresses with symbols beside
// them; package profile names them. A half that cannot be sampled is a note; only if neither can be, an
// error.
//
// Package runner opens a Sampler around a trial, the workloads open its windows (harness.Budget.Window).
package sampler
