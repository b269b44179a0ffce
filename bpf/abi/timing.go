// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/timing.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/timing.h.
const (
	TimingWords = 10   // of 8 bytes: all headers of either family
	SamePacket  = 3072 // bytes of the longest packet that is given to programs by themselves
)

// TimingState is struct timing_state, 96 bytes.
type TimingState struct {
	NS      [2]uint64
	Packets [2]uint64
	Least   [2]uint64 // ns of the shortest turn
	Broken  [2]uint64 // turns longer than the limit, which do not count
	Packet  uint64    // number of the next packet
	Since   uint64    // when the present turn began, ns of CLOCK_MONOTONIC; 0: no turn has begun
	Place   uint64    // of the program whose turn it is
	Limit   uint64    // ns of a turn; 0: none
}
