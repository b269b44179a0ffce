// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/swap.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/swap.h.
const (
	SwapPort        = 9999   // UDP destination port of the numbered packets
	SwapAt          = 42     // where the stamp begins in a frame: behind Ethernet, IPv4 and UDP
	SwapBytes       = 32     // of the stamp, struct swap_stamp
	SwapGenerations = 4096   // generations that a sink tells apart: 1 and on
	SwapBulk        = 16     // packets for which the generator reads its clock once: DEV_MAP_BULK_SIZE of the kernel
	SwapPause       = 500000 // ns: a longer time from one packet to the next is a pause of the generator
	SwapMarkBits    = 16
)

// SwapFlow is struct swap_flow, 16 bytes.
type SwapFlow struct {
	Generation uint32 // of the last version that served it
	Hops       uint32 // versions that served it, one after another
	Began      uint64 // when the first of them did, ns of CLOCK_MONOTONIC
}

// SwapCount is struct swap_count, 96 bytes.
type SwapCount struct {
	Next       uint64 // the number after the highest that came
	Packets    uint64
	Missing    uint64 // numbers that were left out when a higher one came
	Late       uint64 // came after a higher one
	Again      uint64 // came twice in a row
	Neither    uint64 // seen by no version
	Both       uint64 // seen by several versions, or by one several times
	Back       uint64 // stamped by an older version than the packet before
	Alien      uint64 // of a generation that is none
	Last       uint64 // when a packet came that one version saw: the last of those for which the clock was read
	Generation uint64 // of that packet
	Paused     uint64 // the generator's pauses before that packet, ns
}

// SwapSeen is struct swap_seen, 40 bytes.
type SwapSeen struct {
	Packets uint64
	First   uint64 // when its first packet came
	Last    uint64 // of the count, when its first packet came; 0: none
	Paused  uint64 // ns of the time between in which the generator did not run
	Worst   uint64 // ns from the generator to the sink, of the slowest packet for which the clock was read
}
