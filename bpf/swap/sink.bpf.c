// SPDX-License-Identifier: GPL-2.0
/*
 * sink: proves of each numbered packet that exactly one version saw it and that it came in order, counts, and drops it.
 *
 * It stands at the fabric's side of a link, whose one receive queue runs on one CPU at a time: plain counters do. All other frames
 * pass. User space reads the counters from the mapped variables.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

/* Packets for one reading of the clock, a power of two. The first packet of a generation has a reading of its own. */
const volatile __u32 clock_packets = 1;

struct swap_count count;
struct swap_seen seen[SWAP_GENERATIONS];

/* The place of a packet among the numbers. */
static __always_inline void order(__u64 seq)
{
	if (seq >= count.next) {
		count.missing += seq - count.next;
		count.next = seq + 1;
	} else if (seq + 1 == count.next) {
		count.again++;
	} else {
		count.late++;
	}
}

/* The one version that saw a packet. now is 0 if the clock was not read. */
static __always_inline void version(const struct swap_stamp *s, __u64 now)
{
	__u64 generation = s->generation;
	struct swap_seen *g;

	if (generation >= SWAP_GENERATIONS || !generation) {
		count.alien++;
		return;
	}
	asm volatile("%0 &= %1" : "+r"(generation) : "i"(SWAP_GENERATIONS - 1)); /* kernel 6.1 does not see the bound */
	g = &seen[generation];
	if (generation < count.generation) {
		count.back++;
	} else if (generation > count.generation) {
		g->first = now;
		g->last = count.last;
		g->paused = s->paused - count.paused;
		count.generation = generation;
	}
	g->packets++;
	count.paused = s->paused;
	if (!now)
		return;
	if (now - s->sent > g->worst)
		g->worst = now - s->sent;
	count.last = now;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	struct swap_stamp *s = swap_find((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	__u64 now = 0;

	if (!s)
		return XDP_PASS;
	if (!(count.packets++ & (clock_packets - 1)) || s->generation > count.generation)
		now = bpf_ktime_get_ns();
	order(s->seq);
	if (s->hops == 1)
		version(s, now);
	else if (s->hops)
		count.both++;
	else
		count.neither++;
	return XDP_DROP;
}
