// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-reno: a port of the kernel's reno, the congestion control of RFC 5681.
 *
 * Policy. Slow start runs to the threshold. Then the window grows by one packet for each window acknowledged. A loss
 * halves the window.
 *
 * Good for: a well-known baseline, and the smallest example of a congestion control in BPF.
 *
 * Known weakness: on a path with a large BDP, Reno needs half a window of round trips to regain the window that one
 * loss cost. Reno treats random loss as congestion. Reno fills the bottleneck's buffer until packets are dropped.
 *
 * Deviations from the kernel's reno:
 *  1. The knob beta sets the window after a loss. The default is the kernel's half.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* The window after a loss, in 1/1024 of the window before. */
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
