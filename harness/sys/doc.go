// SPDX-License-Identifier: Apache-2.0

// Package sys reads and uses this machine's kernel interfaces and programs where several packages need the same: which programs
// are installed, network namespaces, sched_ext's state, cgroups, stolen time, priorities of threads. It imports nothing of the lab
// but its words.
package sys
