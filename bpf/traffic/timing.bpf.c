// SPDX-License-Identifier: GPL-2.0
/*
 * timing: measures one XDP program alone, inside BPF_PROG_TEST_RUN with repeat.
 *
 * Policy. With repeat, the kernel passes the rewritten packet to the program again. So the kernel repeats this program, which
 * restores the frame's length, writes the headers with the next flow's source, and enters the program under test by a tail
 * call. A run with the program stub instead gives the cost of this program, to be subtracted.
 *
 * Known weakness: nothing else runs between two packets, so caches and branch predictors serve the program under test alone.
 * Removing a tunnel costs one bpf_xdp_adjust_head that the stub does not need; it is not subtracted.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

/* Words of the frame: 80 bytes are all headers of either family. */
#define WORDS 10

/* The frame, and where in it the last 4 bytes of the source address and the source port are. */
const volatile __u64 frame[WORDS];
const volatile __u32 addr_at = 26;
const volatile __u32 port_at = 34;
/* Flows that take turns; 0: every packet is a flow of its own. */
const volatile __u32 flow_count = 1;

__u32 next_flow;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
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
	if ((void *)(word + WORDS) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < WORDS; i++)
		word[i] = frame[i];
	/* 15 bits of address and 16 of port. */
	if (addr_at > sizeof(frame) - 4 || port_at > sizeof(frame) - 2)
		return XDP_ABORTED;
	*(__u32 *)((void *)word + addr_at) ^= __builtin_bswap32(flow & 0x7fff);
	*(__u16 *)((void *)word + port_at) ^= __builtin_bswap16(flow >> 15);
	flow++;
	next_flow = flow == flow_count ? 0 : flow;
	bpf_tail_call(ctx, &under_test, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int stub(struct xdp_md *ctx)
{
	return XDP_TX;
}
