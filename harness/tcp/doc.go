// SPDX-License-Identifier: Apache-2.0

// Package tcp drives connections through whatever stands between two ends: servers, clients that connect or exchange
// requests, pools of open connections, and bulk flows with a congestion control each.
//
// A Bulk is a set of TCP flows through a chain (package netlab). One thread drives and samples all of them at a fixed beat,
// so that almost nothing runs but the kernel. A Load is a set of short exchanges whose every byte is checked.
//
// It owns sockets and what they report. It never knows which variant is in force.
package tcp
