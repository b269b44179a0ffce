// SPDX-License-Identifier: GPL-2.0
/*
 * number: fills live XDP frames with UDP packets of one flow that are numbered one by one, and redirects them into one link.
 *
 * It is the generator for proofs that follow each packet (swap.h), and shares stream and state with generate. A packet carries its
 * number, the time, and how long the generator has not run. The clock is read once for SWAP_BULK packets, which the kernel hands to
 * the link together and between which the generator is not preempted: a reading takes a seventh of a packet's time. UDP checksums are 0, which is none, so that what sees the packet may write into it.
 *
 * The kernel reuses frames as the last consumer left them: every byte up to the end of the stamp is written in each packet.
 *
 * Known weakness: a packet counts as sent when it is passed to the redirect, whether or not the link accepts it.
 */
#include "swap.bpf.h"
#include "traffic.h"

char _license[] SEC("license") = "GPL";

const volatile struct traffic_stream stream;

struct traffic_state state;

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} port SEC(".maps");

#define VOLATILE(x) (*(volatile typeof(x) *)&(x))

/* The checksum field for a sum of 16-bit words that is below 2^31. */
static __always_inline __u16 fold(__u32 sum)
{
	return ~(sum + ((sum + (sum >> 16)) >> 16));
}

/* Notes the time of a bulk; returns false when the time is over. */
static __always_inline int stamp(__u64 now)
{
	if (!state.begin)
		state.begin = now;
	else if (now - state.stamp > SWAP_PAUSE)
		state.missed += now - state.stamp;
	state.stamp = now;
	state.stamped = state.sent;
	if (state.span && now - state.begin >= state.span) {
		VOLATILE(state.limit) = 0;
		return 0;
	}
	return 1;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct swap_stamp *s = data + SWAP_AT;
	__u64 sent = state.sent;

	if (sent >= VOLATILE(state.limit))
		return XDP_DROP;
	if ((void *)(s + 1) > end)
		return XDP_ABORTED;
	if (!(sent & (SWAP_BULK - 1)) && !stamp(bpf_ktime_get_ns()))
		return XDP_DROP;
#pragma unroll
	for (int i = 0; i < SWAP_AT / 8; i++)
		*(__u64 *)(data + 8 * i) = stream.head[i];
	*(__u16 *)(data + SWAP_AT - 2) = 0; /* no checksum */
	*(__u16 *)(data + 24) = fold(stream.sum_ip);
	*(__be16 *)(data + 34) = bpf_htons(TRAFFIC_PORT0);
	s->seq = sent;
	s->sent = state.stamp;
	s->generation = 0;
	s->hops = 0;
	s->paused = state.missed;
	state.sent = sent + 1;
	return bpf_redirect_map(&port, 0, 0);
}
