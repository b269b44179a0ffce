// SPDX-License-Identifier: GPL-2.0
/*
 * same: measures two XDP or two tc programs in turns, inside BPF_PROG_TEST_RUN with repeat, each time on the same packet.
 *
 * Policy. With repeat, the kernel feeds the packet that the program rewrote back in. So this program is what is repeated: each time it
 * takes the packet back to its length, writes its bytes anew, and jumps into the program under test by a tail call. The same with a
 * stub in that place gives its own cost, to be subtracted. Turns are those of timing.bpf.c.
 *
 * Known weakness: the length is restored at the head for XDP and at the tail for tc, so that a program which changes the other end
 * runs out of room; failed says so. Of a tc packet's context the mark, the priority, the index and cb are restored.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "turns.bpf.h"

char _license[] SEC("license") = "GPL";

/* The packet, and its bytes. */
const volatile __u8 packet[SAME_PACKET];
const volatile __u32 packet_size = 64;

/* Whether a packet could not be restored, or not be passed on. */
__u32 failed;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} xdp_under_test SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} tc_under_test SEC(".maps");

SEC("xdp")
int same_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	long longer = end - data - (long)packet_size;

	if (packet_size < 1 || packet_size > sizeof(packet))
		goto out;
	if (longer && bpf_xdp_adjust_head(ctx, longer))
		goto out;
	if (bpf_xdp_store_bytes(ctx, 0, (void *)packet, packet_size))
		goto out;
	bpf_tail_call(ctx, &xdp_under_test, take_turn());
out:
	failed = 1;
	return XDP_ABORTED;
}

SEC("xdp")
int stub_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int same_tc(struct __sk_buff *skb)
{
	if (packet_size < 1 || packet_size > sizeof(packet))
		goto out;
	if (skb->len != packet_size && bpf_skb_change_tail(skb, packet_size, 0))
		goto out;
	if (bpf_skb_store_bytes(skb, 0, (void *)packet, packet_size, 0))
		goto out;
	skb->mark = 0;
	skb->priority = 0;
	skb->tc_index = 0;
	skb->cb[0] = skb->cb[1] = skb->cb[2] = skb->cb[3] = skb->cb[4] = 0;
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
