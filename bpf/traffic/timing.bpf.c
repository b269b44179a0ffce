// SPDX-License-Identifier: GPL-2.0
/*
 * timing: measures XDP programs alone, inside BPF_PROG_TEST_RUN with repeat: one, or two in turns.
 *
 * Policy. With repeat, the kernel feeds the packet that the program rewrote back in. So this program is what is repeated:
 * each time it takes the frame back to its length, writes the headers anew with the next flow's source, and jumps into
 * the program under test by a tail call. The same with the program stub in that place gives its own cost, to be
 * subtracted.
 *
 * Two programs take turns in one call, of turn_packets packets each, in Thue-Morse order, and the clock is read between two
 * turns. Drift of the machine, a line in time and higher powers of it, falls on both alike.
 *
 * Known weakness: nothing else runs between two packets, so caches and branch predictors belong to the program alone.
 * Undoing a tunnel costs one bpf_xdp_adjust_head that the stub does not need; it is not taken off.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "turns.bpf.h"

char _license[] SEC("license") = "GPL";

/* The frame, and where in it the last 4 bytes of the source address and the source port are. */
const volatile __u64 frame[TIMING_WORDS];
const volatile __u32 addr_at = 26;
const volatile __u32 port_at = 34;
/* Flows that take turns; 0: every packet is a flow of its own. */
const volatile __u32 flow_count = 1;

__u32 next_flow;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

SEC("xdp")
int timing(struct xdp_md *ctx)
{
	int longer = (int)(ctx->data_end - ctx->data) - (int)sizeof(frame);
	__u32 flow = next_flow;
	__u64 *word;

	if (longer && bpf_xdp_adjust_head(ctx, longer))
		return XDP_ABORTED;
	word = (void *)(long)ctx->data;
	if ((void *)(word + TIMING_WORDS) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < TIMING_WORDS; i++)
		word[i] = frame[i];
	/* 15 bits of address and 16 of port. */
	if (addr_at > sizeof(frame) - 4 || port_at > sizeof(frame) - 2)
		return XDP_ABORTED;
	*(__u32 *)((void *)word + addr_at) ^= __builtin_bswap32(flow & 0x7fff);
	*(__u16 *)((void *)word + port_at) ^= __builtin_bswap16(flow >> 15);
	flow++;
	next_flow = flow == flow_count ? 0 : flow;
	bpf_tail_call(ctx, &under_test, take_turn());
	return XDP_ABORTED;
}

SEC("xdp")
int stub(struct xdp_md *ctx)
{
	return XDP_TX;
}
