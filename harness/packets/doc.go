// SPDX-License-Identifier: Apache-2.0

// Package packets sends packets and counts what arrives.
//
// It owns the packet generator, the sinks and the accounting of losses in between. It knows the segment (package netlab) and
// its own BPF objects (package bpf). It does not know the variant in force and does not interpret numbers.
//
// A Stream says what packets look like; it is pure. A Generator is a stream in the kernel: a pinned thread makes live XDP
// frames and redirects them into a port of the fabric, so that they arrive at the balancer behind it. A Sink stands on the
// same port and counts what the balancer sends. Account locates packets that were sent and did not arrive, from statistics
// of links, programs and the stack.
//
// Packets belong to numbered flows, see flowSource. The generator counts what it handed to the link; only sinks count what
// was received.
package packets
