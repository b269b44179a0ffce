// SPDX-License-Identifier: Apache-2.0

// Package cc is the family of congestion controls: the kernel's own, BPF (struct_ops) and those that a program of the
// user's makes available (attach: command). All members of a group are
// registered at once, each under its own name, and share one chain of namespaces, whose path each trial configures.
// A workload sees only an algorithm's name. The runner decides order, repeats and validity across trials.
package cc
