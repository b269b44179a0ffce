/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Turns of two programs in one call of the kernel, for the timing loops. The variable turns and the turn of each packet, no packets.
 */
#ifndef KXLAB_TURNS_BPF_H
#define KXLAB_TURNS_BPF_H

#include "timing.h"

/* Packets of a turn, a power of two; 0: the program in the first place has them all. */
const volatile __u32 turn_packets;

struct timing_state turns;

static __always_inline void end_turn(__u32 place, __u64 ns)
{
	if (turns.limit && ns > turns.limit) {
		turns.broken[place]++;
		return;
	}
	if (!turns.least[place] || ns < turns.least[place])
		turns.least[place] = ns;
	turns.ns[place] += ns;
	turns.packets[place] += turn_packets;
}

/* The place of the program that has the next packet. */
static __always_inline __u32 take_turn(void)
{
	__u64 now, number, place = turns.place & 1;

	if (!turn_packets)
		return 0;
	if (!(turns.packet & (turn_packets - 1))) {
		now = bpf_ktime_get_ns();
		if (turns.since)
			end_turn(place, now - turns.since);
		turns.since = now;
		/* The parity of the turn's number: the Thue-Morse sequence. */
		number = turns.packet / turn_packets;
		number ^= number >> 32;
		number ^= number >> 16;
		number ^= number >> 8;
		number ^= number >> 4;
		number ^= number >> 2;
		number ^= number >> 1;
		place = turns.place = number & 1;
	}
	turns.packet++;
	return place;
}

#endif
