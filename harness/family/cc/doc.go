// SPDX-License-Identifier: Apache-2.0

// Package cc is the family of congestion controls: the kernel's own, and BPF through struct_ops. All members of a group are
// registered side by side under names of their own and share one chain of namespaces, whose path each trial shapes anew.
//
// A workload sees an algorithm's name. It decides nothing about order, repeats or validity across trials.
package cc
