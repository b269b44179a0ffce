/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Structs and constants that programs which are replaced under load share with the generator, the sink and Go. bpf/abi/swap.go is
 * generated from this header. No code, no maps.
 */
#ifndef KXLAB_SWAP_H
#define KXLAB_SWAP_H

#define SWAP_PORT	 9999 /* UDP destination port of the numbered packets */
#define SWAP_AT		 42 /* where the stamp begins in a frame: behind Ethernet, IPv4 and UDP */
#define SWAP_BYTES	 32 /* of the stamp, struct swap_stamp */
#define SWAP_GENERATIONS 4096 /* generations that a sink tells apart: 1 and on */
#define SWAP_BULK	 16 /* packets for which the generator reads its clock once: DEV_MAP_BULK_SIZE of the kernel */
#define SWAP_PAUSE	 500000 /* ns: a longer time from one packet to the next is a pause of the generator */

/* A rule cannot write a payload: it flips bits of the mark, one of the lower half and its generation in the upper half. */
#define SWAP_MARK_BITS 16

/* The versions of a congestion control that served a connection. */
struct swap_flow {
	__u32 generation; /* of the last version that served it */
	__u32 hops; /* versions that served it, one after another */
	__u64 began; /* when the first of them did, ns of CLOCK_MONOTONIC */
};

/* The counts of a sink. */
struct swap_count {
	__u64 next; /* the number after the highest that came */
	__u64 packets;
	__u64 missing; /* numbers that were left out when a higher one came */
	__u64 late; /* came after a higher one */
	__u64 again; /* came twice in a row */
	__u64 neither; /* seen by no version */
	__u64 both; /* seen by several versions, or by one several times */
	__u64 back; /* stamped by an older version than the packet before */
	__u64 alien; /* of a generation that is none */
	__u64 last; /* when a packet came that one version saw: the last of those for which the clock was read */
	__u64 generation; /* of that packet */
	__u64 paused; /* the generator's pauses before that packet, ns */
};

/* The counts of a sink of one generation. Times in ns of CLOCK_MONOTONIC. */
struct swap_seen {
	__u64 packets;
	__u64 first; /* when its first packet came */
	__u64 last; /* of the count, when its first packet came; 0: none */
	__u64 paused; /* ns of the time between in which the generator did not run */
	__u64 worst; /* ns from the generator to the sink, of the slowest packet for which the clock was read */
};

#endif
