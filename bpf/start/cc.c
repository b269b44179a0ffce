// SPDX-License-Identifier: GPL-2.0
/*
 * NAME: grows like Reno and falls back less: a congestion control to start from.
 *
 * Policy. Slow start runs to the threshold. Then the window grows by one packet for each window acknowledged. A loss takes it to
 * beta of what it was.
 *
 * Good for: say here on which path it is better than the others.
 *
 * Known weakness: on a path with a large BDP a window is regained slowly. Random loss is taken for congestion. It takes more than
 * its share beside Reno, which falls back to half.
 *
 * The kernel's fields that a congestion control can read and write are in include/tcp.bpf.h; add those that you use to its structs. Other
 * operations are those of the kernel's struct tcp_congestion_ops.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* A knob: the window after a loss, in 1/1024 of the window before. A definition can set another value (knobs). */
const volatile __u32 beta = 717;

SEC("struct_ops")
__u32 BPF_PROG(own_ssthresh, struct sock *sk)
{
	return max((__u32)((__u64)tcp_sk(sk)->snd_cwnd * beta / 1024), 2U);
}

SEC("struct_ops")
void BPF_PROG(own_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	tcp_grow_like_reno(sk, acked);
}

SEC("struct_ops")
__u32 BPF_PROG(own_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwnd(sk);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops own = {
    .ssthresh = (void *)own_ssthresh,
    .cong_avoid = (void *)own_cong_avoid,
    .undo_cwnd = (void *)own_undo_cwnd,
    .name = "own",
};
