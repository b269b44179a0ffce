// SPDX-License-Identifier: GPL-2.0
/*
 * misspelt_cc: bpf-reno with a misspelt kfunc, which no kernel has, for tests.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

extern __u32 tcp_reno_undo_cwmd(struct sock *sk) __ksym;

SEC("struct_ops")
__u32 BPF_PROG(misspelt_ssthresh, struct sock *sk)
{
	return 2;
}

SEC("struct_ops")
void BPF_PROG(misspelt_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops")
__u32 BPF_PROG(misspelt_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwmd(sk);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops misspelt = {
    .ssthresh = (void *)misspelt_ssthresh,
    .cong_avoid = (void *)misspelt_cong_avoid,
    .undo_cwnd = (void *)misspelt_undo_cwnd,
    .name = "misspelt",
};
