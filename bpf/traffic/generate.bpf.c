// SPDX-License-Identifier: GPL-2.0
/*
 * generate: fills live XDP frames with packets of numbered flows and redirects them into one link.
 *
 * It is executed by BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES. The kernel hands frames out again as the last
 * consumer left them: it puts their bounds back, not their bytes. So every header field is written for every packet; the
 * payload is not, because a load balancer has no business there (a consumer that writes into it makes checksums wrong).
 * Whatever does not vary comes ready-made from Go, its share of the checksums too: there is no table, so a million flows
 * cost the same as one.
 *
 * A run is a number of slots. A slot in which nothing is due, or that comes after the end, is dropped here and costs a few
 * nanoseconds; Go ends the run by a signal as soon as it sees that nothing more will come.
 *
 * Known weakness: what is counted as sent was handed to the redirect; whether the link took it is not known here.
 * Frames that a consumer gave another length without moving their start go out with that length once more.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
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

/*
 * Whether a packet is due. Time earns debt at the wanted rate and allowance at 5/4 of it: a short stall is made up for,
 * but not in one burst that would overflow a ring.
 */
static __always_inline int due(void)
{
	__u64 now, ns, n;

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
	n = (state.debt < state.allow ? state.debt : state.allow) >> TRAFFIC_Q;
	if (!n)
		return 0;
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
	state.random = state.random * 6364136223846793005ULL + 1442695040888963407ULL;
	if (state.random >> 32 >= stream.syn)
		return 0;
	state.syns++;
	return 1;
}

/* The number of the next packet's flow. A SYN opens a new one. */
static __always_inline __u32 choose_flow(int syn)
{
	__u32 f;

	if (stream.fresh || syn) {
		f = state.fresh;
		state.fresh = f + 1 >= stream.fresh1 ? stream.fresh0 : f + 1;
		return f;
	}
	f = state.next;
	state.next = f + stream.step;
	if (state.next >= stream.flows)
		state.next -= stream.flows;
	return stream.first + f;
}

static __always_inline __be16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return bpf_htons(~sum);
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 f, x, sport, vip, sum, vary;
	__u64 sent = state.sent;
	__be16 csum;
	void *l4;
	int syn;

	if (sent >= VOLATILE(state.limit))
		return XDP_DROP;
	if (stream.rate) {
		if (!due())
			return XDP_DROP;
	} else if (!(sent & (TRAFFIC_STAMP - 1)) && !stamp(bpf_ktime_get_ns())) {
		return XDP_DROP;
	}

	syn = stream.proto == IPPROTO_TCP ? choose_syn() : 0;
	f = choose_flow(syn);
	x = f & TRAFFIC_HALF_MASK;
	sport = TRAFFIC_PORT0 + (((f >> TRAFFIC_HALF_BITS) ^ f) & TRAFFIC_HALF_MASK);
	vip = stream.vip;
	if (stream.services > 1)
		vip += f % stream.services;
	vary = x + (vip >> 16) + (vip & 0xffff);

	if (stream.family == 4) {
		if (data + 14 + 20 + (stream.proto == IPPROTO_TCP ? 20 : 8) > end)
			return XDP_ABORTED;
		*(__u64 *)data = stream.head0;
		*(__u64 *)(data + 8) = stream.head1;
		*(__u64 *)(data + 16) = stream.head2;
		*(__be16 *)(data + 24) = fold(stream.sum_ip + vary);
		*(__be32 *)(data + 26) = bpf_htonl(TRAFFIC_SRC4 | x);
		*(__be32 *)(data + 30) = bpf_htonl(vip);
		l4 = data + 34;
	} else {
		if (data + 14 + 40 + (stream.proto == IPPROTO_TCP ? 20 : 8) > end)
			return XDP_ABORTED;
		*(__u64 *)data = stream.head0;
		*(__u64 *)(data + 8) = stream.head1;
		*(__u64 *)(data + 16) = stream.head2;
		*(__u64 *)(data + 24) = stream.head3;
		*(__be16 *)(data + 32) = 0;
		*(__be32 *)(data + 34) = bpf_htonl(x);
		*(__u64 *)(data + 38) = stream.dst6a;
		*(__be32 *)(data + 46) = stream.dst6b;
		*(__be32 *)(data + 50) = bpf_htonl(vip);
		l4 = data + 54;
	}

	sum = vary + sport + (syn ? stream.sum_syn : stream.sum_data);
	csum = fold(sum);
	*(__be16 *)l4 = bpf_htons(sport);
	*(__be16 *)(l4 + 2) = stream.port;
	if (stream.proto == IPPROTO_TCP) {
		*(__be32 *)(l4 + 4) = stream.seq;
		*(__be32 *)(l4 + 8) = syn ? 0 : stream.ack;
		*(__be16 *)(l4 + 12) = bpf_htons(syn ? 0x5002 : 0x5010);
		*(__be16 *)(l4 + 14) = bpf_htons(0xffff);
		*(__be16 *)(l4 + 16) = csum;
		*(__be16 *)(l4 + 18) = 0;
	} else {
		*(__be16 *)(l4 + 4) = stream.len;
		*(__be16 *)(l4 + 6) = csum ? csum : 0xffff;
	}
	state.sent = sent + 1;
	return bpf_redirect_map(&port, 0, 0);
}
