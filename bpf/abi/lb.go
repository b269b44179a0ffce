// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/lb.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/lb.h.
const (
	LBMaxReals     = 16384  // a ring slot has 14 bits for the real
	LBServices     = 32768  // of a family, that maps are made for
	LBGenerations  = 262144 // a power of two: all services that vips4 and vips6 have room for
	LBRecent       = 32768  // elements of recent for each CPU, a power of two
	LBVIPCache     = 1024   // elements of vip_cache for each CPU
	LBRemovedConst = 65536  // backends taken out of services that are still there
	LBSlotReal     = 0x3fff
	LBSlotTrack    = 0x4000 // would change if a spare were added: track new connections
	LBSlotLook     = 0x8000 // tracked connections may exist here: look them up
	LBSlotFlags    = 0xc000
	LBSlotDrain    = LBSlotTrack // alone: the real is drained, new connections go by the second ring
	LBSlotsPerLine = 32
	LBVIPDrains    = 1 // a second ring for new connections follows in the lines after the first
	LBVIPRemoved   = 2 // backends were taken out: the map removed names them
	LBRealV6       = 1 // addr is an IPv6 address
	LBRealDown     = 2 // removed: connections to it must be balanced anew
	LBTallies      = (LBGenerations + LBMaxReals)
)

// LBVIP4 is struct lb_vip4, 8 bytes.
type LBVIP4 struct {
	Addr  [4]byte
	Port  [2]byte
	Proto uint8
	Pad   uint8
}

// LBVIP6 is struct lb_vip6, 20 bytes.
type LBVIP6 struct {
	Addr  [16]byte
	Port  [2]byte
	Proto uint8
	Pad   uint8
}

// LBVIP is struct lb_vip, 16 bytes.
type LBVIP struct {
	RingSize   uint32 // slots, a prime
	RingLine   uint32 // first line of its ring in the map rings
	Flags      uint32 // LB_VIP_*
	Generation uint32 // another one each time that a service is added; its low bits index generations
}

// LBGeneration is struct lb_generation, 8 bytes.
type LBGeneration struct {
	Generation uint32
	Flags      uint32 // as in struct lb_vip
}

// LBRemoved is struct lb_removed, 8 bytes.
type LBRemoved struct {
	Generation uint32 // of the service
	Real       uint32 // index into reals
}

// LBLine is struct lb_line, 64 bytes.
type LBLine struct {
	Slot [32]uint16
}

// LBReal is struct lb_real, 32 bytes.
type LBReal struct {
	Addr  [16]byte
	MAC   [6]byte
	Port  [2]byte // nat and socket rewrite the port, ipip and dsr keep the service's
	Flags uint32  // LB_REAL_*
	Pad   uint32
}

// LBTally is struct lb_tally, 16 bytes.
type LBTally struct {
	Packets uint64
	Bytes   uint64 // of IP packets as the client sent them
}

// LBConfig is struct lb_config, 56 bytes.
type LBConfig struct {
	Seed      uint64
	Ifindex   uint32  // of the one link it receives and sends on
	MTU       uint32  // of that link, bytes of IP packet
	ClientMTU uint32  // largest IP packet that clients may send through a tunnel, bytes
	Addr4     [4]byte // own addresses, outer sources of tunnels
	Addr6     [16]byte
	MAC       [6]byte
	Pad       [2]byte
	NCPU      uint32 // possible CPUs
	Pad2      uint32
}

// The values of enum lb_stat.
const (
	LBStatPackets = iota // packets of a service, forwarded
	LBStatNew            // of them: not in the flow table
	LBStatFlood          // new, and not inserted because of the flood guard
	LBStatICMP           // ICMP errors forwarded
	LBStatToobig         // answered with fragmentation needed or packet too big
	LBStatDropFragment
	LBStatDropOptions   // IPv4 options or IPv6 extension headers
	LBStatDropMalformed // truncated or inconsistent
	LBStatDropNoreal    // a service without backends
	LBStatDropToolong   // too long for the tunnel, without "don't fragment"
	LBStatNoroute       // translated (nat) and left to the kernel, which named no next hop
	LBStatReturn        // packets from reals, translated back (nat)
	LBStatPass          // left to the kernel
	LBStats
)

// LBStatNames are the names of enum lb_stat, in its order.
var LBStatNames = [LBStats]string{
	"packets",
	"new",
	"flood",
	"icmp",
	"toobig",
	"drop_fragment",
	"drop_options",
	"drop_malformed",
	"drop_noreal",
	"drop_toolong",
	"noroute",
	"return",
	"pass",
}
