// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-dctcp: a port of the kernel's dctcp, Data Center TCP (RFC 8257).
 *
 * Policy. The receiver echoes every change of the congestion experienced (CE) mark at once, so the sender knows the
 * share of its packets that were marked. Once a round trip the sender updates a moving average, alpha, with this share.
 * At a mark Reno halves its window; DCTCP cuts it by alpha / 2, so a few marks cost little. Growth and the response to
 * a loss are Reno's.
 *
 * Good for: data centres, whose switches mark above a low threshold. DCTCP reaches full throughput with queues of a few
 * packets.
 *
 * Known weakness: sender, receiver and every bottleneck must cooperate. DCTCP takes more than its share from flows that
 * treat a mark as a loss, so it is unsuitable for the Internet.
 *
 * Deviations from the kernel's dctcp:
 *  1. If the peer does not support ECN, the socket changes to the kernel's "reno" by name. The kernel uses an unlisted
 *     set of operations, "dctcp-reno", of the same behaviour.
 *  2. There is no get_info, because struct_ops does not support it. ss does not show alpha.
 *  3. ECN is detected by the bits of ecn_flags, classic (1) or accurate (16), in every kernel that has them. The kernel
 *     tests its ECN mode.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* The weight g of a round trip's share in alpha is 1 / 2^shift_g. Range: 0 to 10. */
const volatile __u32 shift_g = 4;
/* The initial alpha, in 1/1024. */
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
	__u32 old_delivered; /* this and the next: counts at the start of the round */
	__u32 old_delivered_ce;
	__u32 prior_rcv_nxt; /* rcv_nxt at the previous packet */
	__u32 alpha; /* 1/1024 */
	__u32 next_seq; /* the sequence number that ends the round */
	__u32 ce_state; /* the last packet received was marked */
	__u32 loss_cwnd; /* the window before the last reduction, packets */
};

/* Starts a round. */
static __always_inline void dctcp_next_round(const struct tcp_sock *tp, struct dctcp *ca)
{
	ca->next_seq = tp->snd_nxt;
	ca->old_delivered = tp->delivered;
	ca->old_delivered_ce = tp->delivered_ce;
}

/* Responds to a loss: halves the window. */
static __always_inline void dctcp_halve(struct sock *sk)
{
	struct dctcp *ca = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	ca->loss_cwnd = tp->snd_cwnd;
	tp->snd_ssthresh = max(tp->snd_cwnd >> 1, 2U);
}

/* Sets or clears ECE in all ACKs from now on. */
static __always_inline void dctcp_echo(struct tcp_sock *tp, bool marked)
{
	if (marked)
		tp->ecn_flags |= TCP_ECN_DEMAND_CWR;
	else
		tp->ecn_flags &= ~TCP_ECN_DEMAND_CWR;
}

/*
 * Records the mark of a packet that arrived. If the mark changed, requests an immediate ACK. A delayed ACK that is
 * still pending is sent first, with the old mark.
 */
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
	/* alpha = (1 - g) alpha + g * share. An alpha too small to decay becomes 0. */
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
	/* cwnd_event handles timeouts, so that a round trip has one reduction by loss only. */
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
