/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Structs that the timing loop shares with Go. bpf/abi/timing.go is generated from this header. No code, no maps.
 */
#ifndef KXLAB_TIMING_H
#define KXLAB_TIMING_H

#define TIMING_WORDS 10 /* of 8 bytes: all headers of either family */

#define SAME_PACKET  3072 /* bytes of the longest packet that is given to programs by themselves */

/* Times of two programs that take turns; the variable turns. Of the program in each place, in turns that have
 * ended. A turn is broken where an interrupt or another task was on the CPU. */
struct timing_state {
	__u64 ns[2];
	__u64 packets[2];
	__u64 least[2]; /* ns of the shortest turn */
	__u64 broken[2]; /* turns longer than the limit, which do not count */
	__u64 packet; /* number of the next packet */
	__u64 since; /* when the present turn began, ns of CLOCK_MONOTONIC; 0: no turn has begun */
	__u64 place; /* of the program whose turn it is */
	__u64 limit; /* ns of a turn; 0: none */
};

#endif
