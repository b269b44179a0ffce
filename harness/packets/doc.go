// SPDX-License-Identifier: Apache-2.0

// Package traffic drives packets and connections through whatever stands between two ends of a segment, and counts what
// arrives.
//
// It owns the packet generator, the sinks, the accounting of what was lost in between, and load made of real sockets. It
// knows the segment (package netlab) and its own BPF objects (package bpf); it never knows which variant is in force and
// never decides what a number means.
//
// A Stream says what packets look like; it is pure. A Generator is a stream in the kernel: live XDP frames that a pinned
// thread makes and redirects into a port of the fabric, so that they arrive at the balancer behind it. A Sink stands on
// the same port and counts what the balancer sends. What was sent and did not arrive is located by Account, from
// statistics of links, programs and the stack.
//
// A Bulk is a set of TCP flows through a chain, each with its congestion control, driven and watched at a fixed beat by one
// thread, so that almost nothing runs but the kernel.
//
// Packets belong to numbered flows, see FlowSource. What a generator calls sent, it has handed to the link: only sinks
// say what was received.
package packets
