// SPDX-License-Identifier: GPL-2.0
/*
 * cc_stamp: a version of a congestion control. It grows windows as Reno does, and stamps each connection whose operations it runs.
 *
 * Each version is this object with another generation. All versions share the map flows, so that a connection which two of them served
 * has two hops, and one that none of them served has no entry.
 */
#include "tcp.bpf.h"
#include "swap.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 generation = 1;

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct swap_flow);
} flows SEC(".maps");

static __always_inline void stamp(struct sock *sk)
{
	struct swap_flow *f = bpf_sk_storage_get(&flows, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!f || f->generation == generation)
		return;
	if (!f->hops)
		f->began = bpf_ktime_get_ns();
	f->generation = generation;
	f->hops++;
}

SEC("struct_ops")
void BPF_PROG(stamp_init, struct sock *sk)
{
	stamp(sk);
}

SEC("struct_ops")
__u32 BPF_PROG(stamp_ssthresh, struct sock *sk)
{
	stamp(sk);
	return max(tcp_sk(sk)->snd_cwnd / 2, 2U);
}

SEC("struct_ops")
void BPF_PROG(stamp_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	stamp(sk);
	tcp_grow_like_reno(sk, acked);
}

SEC("struct_ops")
__u32 BPF_PROG(stamp_undo_cwnd, struct sock *sk)
{
	stamp(sk);
	return tcp_reno_undo_cwnd(sk);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops stamp_ops = {
    .init = (void *)stamp_init,
    .ssthresh = (void *)stamp_ssthresh,
    .cong_avoid = (void *)stamp_cong_avoid,
    .undo_cwnd = (void *)stamp_undo_cwnd,
    .name = "swap",
};
