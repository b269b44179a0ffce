/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Structs and constants that the packet generator and the sinks share with Go. bpf/abi/traffic.go is generated from this
 * header. No code, no maps.
 */
#ifndef KXLAB_TRAFFIC_H
#define KXLAB_TRAFFIC_H

/*
 * A flow's number has 30 bits. Its low 15 bits are the offset of the source address; the high 15 bits, XORed with the low
 * ones, are the offset of the source port. So few flows differ in address and port, and both offsets give the number back.
 */
#define TRAFFIC_HALF_BITS 15
#define TRAFFIC_HALF_MASK ((1 << TRAFFIC_HALF_BITS) - 1)
#define TRAFFIC_PORT0	  1024
#define TRAFFIC_SRC4	  0xc6130000 /* 198.19.0.0, host byte order */
#define TRAFFIC_SRC6_HI	  0x20010002 /* 2001:2:0:1::, host byte order */
#define TRAFFIC_SRC6_LO	  0x00000001

#define TRAFFIC_LAPS	  256 /* readings of the clock that are kept; a power of two */

/* Q40 packets: the fixed point of the pacer. */
#define TRAFFIC_Q	40
#define TRAFFIC_BURST	32 /* packets that may leave at once after a stall */
#define TRAFFIC_DEBT_NS 50000000 /* a longer stall is not made up for */

/* Slots of a sink's counters: one a real, then one for all other frames of the stream. */
#define TRAFFIC_REALS 256
#define TRAFFIC_OTHER TRAFFIC_REALS
#define TRAFFIC_SLOTS 272 /* a CPU's part is whole cache lines */

/* Words of 8 bytes that hold all headers of either family and protocol. */
#define TRAFFIC_WORDS 10

/* The stream to send; the const volatile variable stream, set before load. Header bytes are as on the wire. */
struct traffic_stream {
	__u64 head[TRAFFIC_WORDS]; /* the template: all headers, with 0 where something varies */
	__u64 rate; /* Q40 packets per nanosecond; 0: flat out */
	__u64 syn; /* a SYN if a 32-bit random number is below this */
	__u32 vip; /* IPv4 address, or the last 4 bytes of the IPv6 address, of service 0; host byte order */
	__u32 services; /* above 1 the destination varies, and those 4 bytes of the template are 0 */
	__u32 flows;
	__u32 first; /* number of the first recurring flow */
	__u32 step; /* from a flow to the next in order, no common factor with flows */
	__u32 fresh0; /* new flows: from here */
	__u32 fresh1; /* up to here, exclusively */
	/* Sums of 16-bit words as they lie in memory, folded, over what does not vary: */
	__u32 sum_ip; /* the IPv4 header, */
	__u32 sum_data; /* the transport header with payload and pseudo header, */
	__u32 sum_syn; /* and the same of a SYN */
	__u8 family; /* 4 or 6 */
	__u8 proto; /* 6 or 17 */
	__u8 fresh; /* every packet is of a new flow */
	__u8 pad;
	__u32 lap; /* flat out: packets between two readings of the clock, a power of two, less one */
};

/* The state of the generator; the variable state. Times in ns of CLOCK_MONOTONIC. */
struct traffic_state {
	__u64 limit; /* sent never exceeds this; 0 stops */
	__u64 sent; /* since the run began */
	__u64 syns; /* of them */
	__u64 span; /* the run ends this long after its first packet; 0: not by time */
	__u64 begin; /* first reading of the clock */
	__u64 stamp; /* last reading of the clock */
	__u64 stamped; /* sent at that time */
	__u64 debt; /* pacer: due, Q40 packets */
	__u64 allow; /* pacer: may leave now, Q40 packets */
	__u64 wait; /* pacer: the next packet is due at this debt and one more, below one; Q40 packets */
	__u64 missed; /* pacer: time that could not be made up, ns */
	__u64 credit; /* pacer: packets granted and not yet sent */
	__u64 random;
	__u32 next; /* position in the round of recurring flows */
	__u32 fresh; /* number of the next new flow */
	__u64 looks; /* flat out: readings of the clock so far */
	__u64 laps[TRAFFIC_LAPS]; /* times of the last readings, reading n at n modulo TRAFFIC_LAPS */
};

/* One counter of a sink. */
struct traffic_count {
	__u64 packets;
	__u64 bytes;
};

/* Counters of the tracking sink; one struct a CPU. */
struct traffic_moved {
	__u64 packets; /* of flows which changed their real, at another real than the first */
	__u64 flows; /* which changed their real */
	__u64 unknown; /* packets of flows outside the tracked range */
	__u64 seen; /* flows seen at all */
	__u64 pad[4];
};

/* A tracked flow: the first real + 1, or 0; and a flag. */
#define TRAFFIC_FLOW_REAL  0xffff
#define TRAFFIC_FLOW_MOVED 0x10000

#endif
