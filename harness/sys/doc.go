// SPDX-License-Identifier: Apache-2.0

// Package sys has the kernel interfaces and the tools of this machine that several packages need: lookup of tools,
// network namespaces, ethtool, the state of sched_ext, cgroups, steal time, placement and priority of threads, the
// code of BPF programs and modules. It imports only package harness of the lab.
package sys
