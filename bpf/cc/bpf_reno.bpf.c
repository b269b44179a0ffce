// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-reno: the kernel's reno, the congestion control of RFC 5681.
 *
 * Policy. Slow start up to the threshold, then one packet more for every window acknowledged. A loss halves the window.
 *
 * Good for: a baseline that everybody knows, and the smallest example of a congestion control in BPF.
 *
 * Known weakness: on a path of large bandwidth-delay product it takes a window's worth of round trips to regain what one
 * loss cost; random loss is taken for congestion; the bottleneck's buffer is filled until it drops.
 *
 * Deviations from the kernel's reno:
 *  1. The share that is left after a loss can be set (beta). As it stands it is the kernel's half.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* The window after a loss, in 1/1024 of that before. */
const volatile __u32 beta = 512;

SEC("struct_ops")
__u32 BPF_PROG(bpf_reno_ssthresh, struct sock *sk)
{
	return max((__u32)((__u64)tcp_sk(sk)->snd_cwnd * beta / 1024), 2U);
}

SEC("struct_ops")
void BPF_PROG(bpf_reno_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	tcp_grow_like_reno(sk, acked);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_reno_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwnd(sk);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops bpf_reno = {
    .ssthresh = (void *)bpf_reno_ssthresh,
    .cong_avoid = (void *)bpf_reno_cong_avoid,
    .undo_cwnd = (void *)bpf_reno_undo_cwnd,
    .name = "reno",
};
