// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-dctcp: the kernel's dctcp, Data Center TCP (RFC 8257).
 *
 * Policy. The receiver echoes every change of the congestion mark at once, so that the sender knows the share of its
 * packets that was marked. Once a round trip it takes that share into a moving average, alpha, and where Reno would halve
 * its window at a mark, this one cuts it by alpha / 2: little where few are marked. Growth, and the answer to a loss, are
 * Reno's.
 *
 * Good for: switches that mark from a low threshold on, as in data centres: full throughput with queues of a few packets.
 *
 * Known weakness: sender, receiver and every bottleneck have to play along. Beside flows that take a mark for a loss it
 * takes more than its share, so it does not belong on the Internet.
 *
 * Deviations from the kernel's dctcp:
 *  1. A peer without ECN: the socket changes to the kernel's "reno", by its name, where the kernel has an unlisted set of
 *     operations ("dctcp-reno") of the same behaviour.
 *  2. No get_info, as for all in BPF: ss does not show alpha.
 *  3. Where the socket can neither mark nor acknowledge (the kernel asks its ECN mode), the bits of ecn_flags are asked:
 *     classic (1) or accurate (16), in every kernel that has them.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* The weight of a round trip's share in alpha is 1 / 2^shift_g; 0 to 10. */
const volatile __u32 shift_g = 4;
/* Alpha at the beginning, in 1/1024. */
const volatile __u32 alpha_on_init = 1024;

#define ALPHA_MAX 1024U

/* Bits of ecn_flags. */
#define TCP_ECN_MODES	   0x11
#define TCP_ECN_DEMAND_CWR 0x04

/* Bits of icsk_ack.pending. */
#define ICSK_ACK_TIMER 2
#define ICSK_ACK_NOW   16

#define SOL_TCP	       6
#define TCP_CONGESTION 13

struct dctcp {
	__u32 old_delivered; /* at the beginning of the round, as the next */
	__u32 old_delivered_ce;
	__u32 prior_rcv_nxt;
	__u32 alpha; /* 1/1024 */
	__u32 next_seq; /* where the round ends */
	__u32 ce_state; /* was the last packet received marked? */
	__u32 loss_cwnd;
};

static __always_inline void dctcp_next_round(const struct tcp_sock *tp, struct dctcp *ca)
{
	ca->next_seq = tp->snd_nxt;
	ca->old_delivered = tp->delivered;
	ca->old_delivered_ce = tp->delivered_ce;
}

static __always_inline void dctcp_halve(struct sock *sk)
{
	struct dctcp *ca = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	ca->loss_cwnd = tp->snd_cwnd;
	tp->snd_ssthresh = max(tp->snd_cwnd >> 1, 2U);
}

/* Says in all acknowledgements from now on whether packets arrive marked. */
static __always_inline void dctcp_echo(struct tcp_sock *tp, bool marked)
{
	if (marked)
		tp->ecn_flags |= TCP_ECN_DEMAND_CWR;
	else
		tp->ecn_flags &= ~TCP_ECN_DEMAND_CWR;
}

/* A packet arrived, marked or not. A change is told at once, after what is still owed of the time before it. */
static __always_inline void dctcp_received(struct sock *sk, bool marked)
{
	struct inet_connection_sock *icsk = inet_csk(sk);
	struct dctcp *ca = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	if (ca->ce_state != marked) {
		if (icsk->icsk_ack.pending & ICSK_ACK_TIMER) {
			dctcp_echo(tp, ca->ce_state);
			bpf_tcp_send_ack(tp, ca->prior_rcv_nxt);
		}
		icsk->icsk_ack.pending |= ICSK_ACK_NOW;
	}
	ca->prior_rcv_nxt = tp->rcv_nxt;
	ca->ce_state = marked;
	dctcp_echo(tp, marked);
}

SEC("struct_ops")
void BPF_PROG(bpf_dctcp_init, struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct dctcp *ca = inet_csk_ca(sk);
	__u8 state = sk->__sk_common.skc_state;
	char fallback[] = "reno";

	if (!(tp->ecn_flags & TCP_ECN_MODES) && state != TCP_LISTEN && state != TCP_CLOSE) {
		bpf_setsockopt(sk, SOL_TCP, TCP_CONGESTION, fallback, sizeof(fallback));
		return;
	}
	ca->prior_rcv_nxt = tp->rcv_nxt;
	ca->alpha = min(alpha_on_init, ALPHA_MAX);
	ca->loss_cwnd = 0;
	ca->ce_state = 0;
	dctcp_next_round(tp, ca);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_dctcp_ssthresh, struct sock *sk)
{
	struct dctcp *ca = inet_csk_ca(sk);
	__u32 cwnd = tcp_sk(sk)->snd_cwnd;

	ca->loss_cwnd = cwnd;
	return max(cwnd - ((cwnd * ca->alpha) >> 11), 2U);
}

SEC("struct_ops")
void BPF_PROG(bpf_dctcp_in_ack_event, struct sock *sk, __u32 flags)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct dctcp *ca = inet_csk_ca(sk);
	__u32 g = min(shift_g, 10U), alpha = ca->alpha, decay, marked;

	if (before(tp->snd_una, ca->next_seq))
		return;
	/* alpha = (1 - g) alpha + g * share; what is too small to decay is dropped, so that it reaches 0. */
	decay = alpha >> g;
	alpha -= decay ? decay : alpha;
	marked = tp->delivered_ce - ca->old_delivered_ce;
	if (marked) {
		__u32 delivered = tp->delivered - ca->old_delivered;

		marked <<= 10 - g;
		alpha = min(alpha + marked / max(delivered, 1U), ALPHA_MAX);
	}
	ca->alpha = alpha;
	dctcp_next_round(tp, ca);
}

SEC("struct_ops")
void BPF_PROG(bpf_dctcp_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	tcp_grow_like_reno(sk, acked);
}

SEC("struct_ops")
void BPF_PROG(bpf_dctcp_set_state, struct sock *sk, __u8 new_state)
{
	/* A timeout comes by cwnd_event, so that a round trip has one reduction only. */
	if (new_state == TCP_CA_Recovery && new_state != tcp_ca_state_of(sk))
		dctcp_halve(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_dctcp_cwnd_event, struct sock *sk, int ev)
{
	switch (ev) {
	case CA_EVENT_ECN_IS_CE:
	case CA_EVENT_ECN_NO_CE:
		dctcp_received(sk, ev == CA_EVENT_ECN_IS_CE);
		break;
	case CA_EVENT_LOSS:
		dctcp_halve(sk);
		break;
	}
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_dctcp_undo_cwnd, struct sock *sk)
{
	const struct dctcp *ca = inet_csk_ca(sk);

	return max(tcp_sk(sk)->snd_cwnd, ca->loss_cwnd);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops bpf_dctcp = {
    .init = (void *)bpf_dctcp_init,
    .ssthresh = (void *)bpf_dctcp_ssthresh,
    .in_ack_event = (void *)bpf_dctcp_in_ack_event,
    .cong_avoid = (void *)bpf_dctcp_cong_avoid,
    .set_state = (void *)bpf_dctcp_set_state,
    .cwnd_event = (void *)bpf_dctcp_cwnd_event,
    .undo_cwnd = (void *)bpf_dctcp_undo_cwnd,
    .flags = TCP_CONG_NEEDS_ECN,
    .name = "dctcp",
};
