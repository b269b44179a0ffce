// SPDX-License-Identifier: Apache-2.0

// Package sched is the family of CPU schedulers: the kernel's own, and BPF through sched_ext. One scheduler is in force at a
// time, so each trial puts its member in force and takes it out again. BPF schedulers run in guests only.
//
// It owns the workloads (package load and programs of the distribution), what the kernel says of the scheduler's exit, and
// the gate. It decides nothing about order, repeats or validity across trials.
package sched
