// SPDX-License-Identifier: Apache-2.0

// Package tcp drives TCP connections and UDP exchanges: servers, clients that connect or exchange requests, pools of
// open connections, and bulk flows, each with a congestion control.
//
// A Bulk is a set of TCP flows through a chain (package netlab). One thread drives and samples all of them at a fixed interval,
// so that almost all CPU time is the kernel's. A Load is a set of short exchanges whose every byte is checked.
// The package owns sockets and their statistics. It does not know the variant in force.
package tcp
