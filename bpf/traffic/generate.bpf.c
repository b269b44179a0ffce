// SPDX-License-Identifier: GPL-2.0
/*
 * generate: fills live XDP frames with packets of numbered flows and redirects them into one link.
 *
 * BPF_PROG_TEST_RUN executes it with BPF_F_TEST_XDP_LIVE_FRAMES. The kernel reuses frames as the last consumer left them: it
 * restores their bounds, not their bytes. So the program writes every header field of every packet. It does not write the
 * payload, which load balancers do not change (a consumer that changes it makes checksums wrong). Go computes all constant
 * bytes, and their share of the checksums, in advance; there is no table, so a million flows cost the same as one.
 *
 * A run is a number of slots. A slot in which no packet is due, or after the end, is dropped and costs a few nanoseconds; Go
 * ends the run by a signal when no more packets are due.
 *
 * Known weakness: a packet counts as sent when it is passed to the redirect, whether or not the link accepts it. A frame
 * whose length a consumer changed without moving its start is sent with that length once more.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "mark.bpf.h"
#include "traffic.h"

char _license[] SEC("license") = "GPL";

const volatile struct traffic_stream stream;

/* Whether laps are marked. If not, the verifier takes the marks out. */
const volatile __u32 marks;

struct traffic_state state;

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} port SEC(".maps");

#define VOLATILE(x) (*(volatile typeof(x) *)&(x))

/* Notes the time and how much has been sent; returns false when the time is over. */
static __always_inline int stamp(__u64 now)
{
	if (!state.begin)
		state.begin = now;
	state.stamp = now;
	state.stamped = state.sent;
	if (state.span && now - state.begin >= state.span) {
		VOLATILE(state.limit) = 0;
		return 0;
	}
	return 1;
}

static __always_inline __u64 draw(void)
{
	state.random = state.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return state.random;
}

/*
 * Whether a packet is due. Time earns debt at the wanted rate and allowance at 5/4 of it: a short stall is made up for,
 * but not in one burst that would overflow a ring.
 *
 * A packet waits a random part of the interval beyond its debt. At even intervals that divide the one of a timer, such
 * as the kernel's tick, the timer would strike the receiver in every trial of a run or in none.
 */
static __always_inline int due(void)
{
	__u64 now, ns, n, debt;

	if (state.credit) {
		state.credit--;
		return 1;
	}
	now = bpf_ktime_get_ns();
	ns = state.begin ? now - state.stamp : 0;
	if (ns > TRAFFIC_DEBT_NS) {
		state.missed += ns - TRAFFIC_DEBT_NS;
		ns = TRAFFIC_DEBT_NS;
	}
	state.debt += ns * stream.rate;
	if (state.debt > TRAFFIC_DEBT_NS * stream.rate) {
		state.missed += (state.debt - TRAFFIC_DEBT_NS * stream.rate) / stream.rate;
		state.debt = TRAFFIC_DEBT_NS * stream.rate;
	}
	if (!stamp(now))
		return 0;
	state.allow += ns * (stream.rate + stream.rate / 4);
	if (state.allow > (__u64)TRAFFIC_BURST << TRAFFIC_Q)
		state.allow = (__u64)TRAFFIC_BURST << TRAFFIC_Q;
	debt = state.debt > state.wait ? state.debt - state.wait : 0;
	n = (debt < state.allow ? debt : state.allow) >> TRAFFIC_Q;
	if (!n)
		return 0;
	state.wait = draw() >> (64 - TRAFFIC_Q);
	state.debt -= n << TRAFFIC_Q;
	state.allow -= n << TRAFFIC_Q;
	state.credit = n - 1;
	return 1;
}

/* Whether the next packet opens a connection. */
static __always_inline int choose_syn(void)
{
	if (!stream.syn)
		return 0;
	if (draw() >> 32 >= stream.syn)
		return 0;
	state.syns++;
	return 1;
}

/* The number of the next packet's flow. A SYN opens a new one. */
static __always_inline __u32 choose_flow(int syn)
{
	__s64 next, wrap;
	__u32 f;

	if (stream.fresh || syn) {
		f = state.fresh;
		state.fresh = f + 1 >= stream.fresh1 ? stream.fresh0 : f + 1;
		return f;
	}
	f = state.next;
	/* Whether the round begins anew is a toss-up, so without a branch. */
	next = (__s64)f + stream.step - stream.flows;
	wrap = next >> 63;
	asm("" : "+r"(wrap));
	state.next = next + (stream.flows & wrap);
	return stream.first + f;
}

/* The checksum field for a sum of 16-bit words that is below 2^31. Carries go round: RFC 1071, in any byte order. */
static __always_inline __u16 fold(__u32 sum)
{
	return ~(sum + ((sum + (sum >> 16)) >> 16));
}

/* A packet of flow f. family and proto are constants where it is called: so are all offsets, and no branch is left. */
static __always_inline int fill(struct xdp_md *ctx, __u32 f, int syn, const int family, const int proto)
{
	const __u32 l4 = family == 4 ? 34 : 54, dst = l4 - 4, src = family == 4 ? 28 : 36;
	const __u32 len = l4 + (proto == IPPROTO_TCP ? 20 : 8);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 x = f & TRAFFIC_HALF_MASK, vary, vip;
	__be16 from, sport;
	__u16 csum;

	if (data + len > end)
		return -1;
#pragma unroll
	for (__u32 i = 0; i < TRAFFIC_WORDS; i++) {
		__u32 left = len > 8 * i ? len - 8 * i : 0; /* at the end, 6 or 2 */
		void *at = data + 8 * i;

		if (left >= 8) {
			*(__u64 *)at = stream.head[i];
		} else if (left == 6) {
			*(__u32 *)at = stream.head[i];
			*(__u16 *)(at + 4) = stream.head[i] >> 32;
		} else if (left == 2) {
			*(__u16 *)at = stream.head[i];
		}
	}
	from = bpf_htons(x);
	sport = bpf_htons(TRAFFIC_PORT0 + (((f >> TRAFFIC_HALF_BITS) ^ f) & TRAFFIC_HALF_MASK));
	*(__be16 *)(data + src) = from;
	*(__be16 *)(data + l4) = sport;
	vary = from;
	if (stream.services > 1) {
		vip = bpf_htonl(stream.vip + f % stream.services);
		*(__be32 *)(data + dst) = vip;
		vary += (vip & 0xffff) + (vip >> 16);
	}
	if (family == 4)
		*(__u16 *)(data + 24) = fold(stream.sum_ip + vary);
	csum = fold((syn ? stream.sum_syn : stream.sum_data) + vary + sport);
	if (proto == IPPROTO_UDP) {
		*(__u16 *)(data + l4 + 6) = csum ? csum : 0xffff;
		return 0;
	}
	*(__u16 *)(data + l4 + 16) = csum;
	if (syn) {
		*(__be32 *)(data + l4 + 8) = 0;
		*(__be16 *)(data + l4 + 12) = bpf_htons(0x5002);
	}
	return 0;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u64 sent = state.sent;
	int syn = 0, bad;

	if (sent >= VOLATILE(state.limit))
		return XDP_DROP;
	if (stream.rate) {
		if (!due())
			return XDP_DROP;
	} else if (!(sent & stream.lap)) {
		__u64 now = bpf_ktime_get_ns();

		if (!stamp(now))
			return XDP_DROP;
		state.laps[state.looks++ & (TRAFFIC_LAPS - 1)] = now;
		if (marks)
			mark_lap();
	}
	if (stream.proto == IPPROTO_UDP) {
		if (stream.family == 4)
			bad = fill(ctx, choose_flow(0), 0, 4, IPPROTO_UDP);
		else
			bad = fill(ctx, choose_flow(0), 0, 6, IPPROTO_UDP);
	} else {
		syn = choose_syn();
		if (stream.family == 4)
			bad = fill(ctx, choose_flow(syn), syn, 4, IPPROTO_TCP);
		else
			bad = fill(ctx, choose_flow(syn), syn, 6, IPPROTO_TCP);
	}
	if (bad)
		return XDP_ABORTED;
	state.sent = sent + 1;
	return bpf_redirect_map(&port, 0, 0);
}
