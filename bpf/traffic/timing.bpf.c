// SPDX-License-Identifier: GPL-2.0
/*
 * timing: measures XDP and tc programs alone, inside BPF_PROG_TEST_RUN with repeat: one, or two in turns.
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
 * Undoing a tunnel costs one bpf_xdp_adjust_head that the stub does not need; it is not taken off. A tc program must leave
 * the packet's length as it is.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
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

/* Whether a packet could not be restored, or not be passed on. */
__u32 failed;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} tc_under_test SEC(".maps");

/* Writes the headers of the next flow; less than 0: they do not fit. */
static __always_inline int write_frame(void *data, void *end)
{
	__u64 *word = data;
	__u32 flow = next_flow;

	if ((void *)(word + TIMING_WORDS) > end)
		return -1;
	for (int i = 0; i < TIMING_WORDS; i++)
		word[i] = frame[i];
	/* 15 bits of address and 16 of port. */
	if (addr_at > sizeof(frame) - 4 || port_at > sizeof(frame) - 2)
		return -1;
	*(__u32 *)(data + addr_at) ^= __builtin_bswap32(flow & 0x7fff);
	*(__u16 *)(data + port_at) ^= __builtin_bswap16(flow >> 15);
	flow++;
	next_flow = flow == flow_count ? 0 : flow;
	return 0;
}

SEC("xdp")
int timing(struct xdp_md *ctx)
{
	int longer = (int)(ctx->data_end - ctx->data) - (int)sizeof(frame);

	if (longer && bpf_xdp_adjust_head(ctx, longer))
		goto out;
	if (write_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		goto out;
	bpf_tail_call(ctx, &under_test, take_turn());
out:
	failed = 1;
	return XDP_ABORTED;
}

SEC("xdp")
int stub(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("tc")
int timing_tc(struct __sk_buff *skb)
{
	if (skb->len != sizeof(frame)) /* a tunnel cannot be undone: the kernel keeps skb->encapsulation */
		goto out;
	if (write_frame((void *)(long)skb->data, (void *)(long)skb->data_end))
		goto out;
	skb->mark = 0;
	bpf_tail_call(skb, &tc_under_test, take_turn());
out:
	failed = 1;
	return TC_ACT_SHOT;
}

SEC("tc")
int stub_tc(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}
