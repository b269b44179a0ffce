// SPDX-License-Identifier: Apache-2.0

// Package packets sends packets and counts those that arrive.
//
// It owns the packet generator, the sinks and the accounting of losses in between. It knows the segment (package netlab) and
// its own BPF objects (package bpf). It does not know the variant in force and does not interpret numbers.
//
// A Stream describes packets; it is pure. A Generator is a stream in the kernel: a pinned thread makes live XDP frames and
// redirects them into a port of the fabric, so that they arrive at the balancer behind the port. A Sink is attached to the
// same port and counts the packets that the balancer sends. Account locates lost packets, from statistics of links, programs
// and the stack.
//
// Packets belong to numbered flows, see flowSource. The generator counts the packets that it passed to the link; only sinks
// count received packets.
package packets
