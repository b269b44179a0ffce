// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/traffic.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/traffic.h.
const (
	TrafficHalfBits  = 15
	TrafficHalfMask  = ((1 << TrafficHalfBits) - 1)
	TrafficPort0     = 1024
	TrafficSrc4      = 0xc6130000 // 198.19.0.0, host byte order
	TrafficSrc6Hi    = 0x20010002 // 2001:2:0:1::, host byte order
	TrafficSrc6Lo    = 0x00000001
	TrafficLaps      = 256 // readings of the clock that are kept; a power of two
	TrafficQ         = 40
	TrafficBurst     = 32       // packets that may leave at once after a stall
	TrafficDebtNS    = 50000000 // a longer stall is not made up for
	TrafficReals     = 256
	TrafficOther     = TrafficReals
	TrafficSlots     = 272 // a CPU's part is whole cache lines
	TrafficWords     = 10
	TrafficFlowReal  = 0xffff
	TrafficFlowMoved = 0x10000
)

// TrafficStream is struct traffic_stream, 144 bytes.
type TrafficStream struct {
	Head     [10]uint64 // the template: all headers, with 0 where something varies
	Rate     uint64     // Q40 packets per nanosecond; 0: flat out
	SYN      uint64     // a SYN if a 32-bit random number is below this
	VIP      uint32     // IPv4 address, or the last 4 bytes of the IPv6 address, of service 0; host byte order
	Services uint32     // above 1 the destination varies, and those 4 bytes of the template are 0
	Flows    uint32
	First    uint32 // number of the first recurring flow
	Step     uint32 // from a flow to the next in order, no common factor with flows
	Fresh0   uint32 // new flows: from here
	Fresh1   uint32 // up to here, exclusively
	SumIP    uint32 // the IPv4 header,
	SumData  uint32 // the transport header with payload and pseudo header,
	SumSYN   uint32 // and the same of a SYN
	Family   uint8  // 4 or 6
	Proto    uint8  // 6 or 17
	Fresh    uint8  // every packet is of a new flow
	Pad      uint8
	Lap      uint32 // flat out: packets between two readings of the clock, a power of two, less one
}

// TrafficState is struct traffic_state, 2168 bytes.
type TrafficState struct {
	Limit   uint64 // sent never exceeds this; 0 stops
	Sent    uint64 // since the run began
	SYNs    uint64 // of them
	Span    uint64 // the run ends this long after its first packet; 0: not by time
	Begin   uint64 // first reading of the clock
	Stamp   uint64 // last reading of the clock
	Stamped uint64 // sent at that time
	Debt    uint64 // pacer: due, Q40 packets
	Allow   uint64 // pacer: may leave now, Q40 packets
	Wait    uint64 // pacer: the next packet is due at this debt and one more, below one; Q40 packets
	Missed  uint64 // pacer: time that could not be made up, ns
	Credit  uint64 // pacer: packets granted and not yet sent
	Random  uint64
	Next    uint32      // position in the round of recurring flows
	Fresh   uint32      // number of the next new flow
	Looks   uint64      // flat out: readings of the clock so far
	Laps    [256]uint64 // times of the last readings, reading n at n modulo TRAFFIC_LAPS
}

// TrafficCount is struct traffic_count, 16 bytes.
type TrafficCount struct {
	Packets uint64
	Bytes   uint64
}

// TrafficMoved is struct traffic_moved, 64 bytes.
type TrafficMoved struct {
	Packets uint64 // of flows which changed their real, at another real than the first
	Flows   uint64 // which changed their real
	Unknown uint64 // packets of flows outside the tracked range
	Seen    uint64 // flows seen at all
	Pad     [4]uint64
}
