// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-copa: Copa (Arun, Balakrishnan: "Copa: Practical Delay-Based Congestion Control for the Internet", NSDI 2018).
 *
 * Policy. The queueing delay is the standing round-trip time (the smallest of the last half round trip) less the smallest
 * of the last ten seconds. The rate aimed at is the inverse of delta times that delay, so that a flow keeps 1/delta packets
 * in the queue. At each acknowledgement the window moves towards it, by v / delta packets a round trip; v, the velocity,
 * doubles every round trip once the window has gone in one direction for three, and is 1 again when the direction
 * changes. Packets are paced at twice the window per standing round-trip time. With others of its kind the queue runs
 * nearly empty at least every five round trips. Where it does not, another flow fills the buffer: then 1/delta grows by one
 * a round trip and is halved at a loss (competitive mode), until the queue runs empty again and delta is its default.
 *
 * Good for: low delay at full use of the link, also with random loss, to which the default mode does not react.
 *
 * Known weakness: a smallest round-trip time that is measured too large (a queue that never drains since the flow began) or
 * a path whose delay jitters misleads it; the switch of modes takes round trips and can be fooled. Where the other flow has
 * gone, a flow in competitive mode fills the buffer itself and loses packets to it, which keeps it in that mode.
 *
 * Deviations from the paper, which leaves some of this open:
 *  1. Windows and times are integers; the window's fraction is kept in 1/65536 packet.
 *  2. The kernel's smoothed round-trip time is the srtt of the window that makes the standing round-trip time.
 *  3. Minima and maxima over a window are estimates in constant memory (window.bpf.h), never older than the window.
 *  4. A round trip, for velocity and delta, is the kernel's round: until a packet that was sent when it began is
 *     acknowledged.
 *  5. The velocity also is 1 again at the acknowledgement that asks for the other direction, not only at the end of the
 *     round. Otherwise the window runs on the wrong way with a great step for a whole round.
 *  6. No acknowledgement moves the window by more than the packets that it acknowledges, which bounds the velocity at the
 *     growth of slow start, and the window never falls below 4 packets: fewer cannot be told from delayed acknowledgements.
 *  7. The window does not grow while the sender does not use it, and samples of a flow without data in flight count as
 *     others do.
 *  8. After a timeout, which the paper does not treat, the flow is in slow start again, from the kernel's window after a
 *     loss.
 *  9. In competitive mode, delta reacts to a round's losses once, at the end of the round.
 * 10. Packets leave in bursts as the kernel's segmentation makes them of the paced rate.
 * 11. Competitive mode needs a second sign within the last 20 s: a packet was lost while the queue was long, or the queue in
 *     default mode was twice the smallest round-trip time after 20 round trips without running nearly empty. The first sign
 *     alone comes up without another flow: a queue of two packets a flow does not fall below a tenth of its swing where the
 *     swing is a few packets, and 1/delta, once it grows, keeps the queue from emptying. Flows in default mode alone fill no
 *     buffer of more than a few packets each.
 */
#include "tcp.bpf.h"
#include "window.bpf.h"

char _license[] SEC("license") = "GPL";

/* 1/delta in default mode: packets that a flow keeps in the queue. */
const volatile __u32 inv_delta = 2;
/* Window of the minimum round-trip time, ms. */
const volatile __u32 min_rtt_win_ms = 10000;
/* Switch to competitive mode where another flow fills the buffer. */
const volatile __u32 mode_switch = 1;
/* Competitive mode begins at most so long after a sign that the buffer is full, ms. */
const volatile __u32 full_win_ms = 20000;
/* 0: competitive mode begins without such a sign, by the paper's rule alone. */
const volatile __u32 need_full = 1;

/* Time that flows spent in each mode, us, counted at the end of each round. */
__u64 stat_default_us, stat_competitive_us;

#define CWND_MIN 4U
/* The velocity doubles after so many rounds in one direction, and stays below this. */
#define STEADY_ROUNDS 3
#define VELOCITY_MAX  (1U << 15)
/* The queue must run nearly empty within so many round trips; nearly is a tenth of the swing over the last four. */
#define EMPTY_RTTS 5
#define SWING_RTTS 4
/* A loss while the queue's delay is at least this part of the smallest round-trip time is a full buffer's. */
#define FULL_PART 4
/* So is a queue of so many smallest round-trip times that did not run nearly empty within so many round trips. */
#define LONG_QUEUE     2
#define LONG_RTTS      20
#define INV_DELTA_MAX  0xffff

#define FRACTION_SHIFT 16

struct copa {
	struct window min_rtt; /* us, by ms */
	struct window standing; /* us, by us, as the next */
	struct window max_rtt;
	__u32 round_end; /* delivered, where the round ends */
	__u32 round_cwnd; /* the window when it began */
	__u32 round_stamp; /* us, when it began */
	__u32 empty_stamp; /* us, when the queue was nearly empty last */
	__u32 full_stamp; /* ms, when the buffer was full last */
	__s32 fraction; /* of the window, 1/65536 packet */
	__u16 inv_delta; /* packets */
	__u16 velocity;
	__u8 steady; /* rounds in one direction */
	__u8 up : 1; /* the direction */
	__u8 slow_start : 1;
	__u8 competitive : 1;
	__u8 lossy : 1; /* packets were lost in this round */
	__u8 full : 1; /* full_stamp means something */
	__u8 has_rtt : 1;
};

_Static_assert(sizeof(struct copa) <= 13 * sizeof(__u64), "the state is larger than icsk_ca_priv");

/* Takes a round-trip time into the three windows. The first sets them. */
static __always_inline void copa_measure(const struct tcp_sock *tp, struct copa *ca, __u32 rtt_us)
{
	__u32 now_us = tp->tcp_mstamp, now_ms = tp->tcp_mstamp / USEC_PER_MSEC, srtt_us = tp->srtt_us >> 3;

	if (!ca->has_rtt) {
		window_reset(&ca->min_rtt, now_ms, rtt_us);
		window_reset(&ca->standing, now_us, rtt_us);
		window_reset(&ca->max_rtt, now_us, rtt_us);
		ca->has_rtt = 1;
		return;
	}
	window_min(&ca->min_rtt, min_rtt_win_ms, now_ms, rtt_us);
	window_min(&ca->standing, srtt_us / 2, now_us, rtt_us);
	window_max(&ca->max_rtt, SWING_RTTS * srtt_us, now_us, rtt_us);
}

static __always_inline void copa_full(const struct tcp_sock *tp, struct copa *ca)
{
	ca->full = 1;
	ca->full_stamp = tp->tcp_mstamp / USEC_PER_MSEC;
}

/* A packet was lost. With a long queue, that is a buffer that another flow filled: the default mode alone fills none. */
static __always_inline void copa_lost(const struct tcp_sock *tp, struct copa *ca, __u32 min_us, __u32 queue_us)
{
	ca->lossy = 1;
	if (queue_us >= min_us / FULL_PART)
		copa_full(tp, ca);
}

/*
 * Does another flow fill the buffer? Sets the mode by when the queue was nearly empty last and when the buffer was full.
 */
static __always_inline void copa_set_mode(const struct tcp_sock *tp, struct copa *ca, __u32 min_us, __u32 queue_us)
{
	__u32 now_us = tp->tcp_mstamp, swing_us = ca->max_rtt.s[0].v - min(min_us, ca->max_rtt.s[0].v);

	if (10 * queue_us <= swing_us || !queue_us)
		ca->empty_stamp = now_us;
	if (!ca->competitive && queue_us / LONG_QUEUE >= min_us &&
	    now_us - ca->empty_stamp > LONG_RTTS * (tp->srtt_us >> 3))
		copa_full(tp, ca);
	else if ((__u32)(tp->tcp_mstamp / USEC_PER_MSEC) - ca->full_stamp > full_win_ms)
		ca->full = 0;
	if (mode_switch && (ca->full || !need_full) && now_us - ca->empty_stamp > EMPTY_RTTS * (tp->srtt_us >> 3)) {
		ca->competitive = 1;
	} else {
		ca->competitive = 0;
		ca->inv_delta = inv_delta;
	}
}

/* At the end of a round: which way did the window go, and how did delta do? */
static __always_inline void copa_end_round(const struct tcp_sock *tp, struct copa *ca)
{
	bool up = tp->snd_cwnd > ca->round_cwnd;

	if (tp->snd_cwnd == ca->round_cwnd) {
		ca->velocity = 1;
		ca->steady = 0;
	} else if (up != ca->up) {
		ca->up = up;
		ca->velocity = 1;
		ca->steady = 0;
	} else {
		if (ca->steady < STEADY_ROUNDS)
			ca->steady++;
		if (ca->steady >= STEADY_ROUNDS && ca->velocity < VELOCITY_MAX)
			ca->velocity *= 2;
	}
	if (ca->competitive) {
		if (ca->lossy)
			ca->inv_delta = max(ca->inv_delta / 2, (int)inv_delta);
		else if (ca->inv_delta < INV_DELTA_MAX)
			ca->inv_delta++;
	}
	__sync_fetch_and_add(ca->competitive ? &stat_competitive_us : &stat_default_us,
			     (__u32)(tp->tcp_mstamp - ca->round_stamp));
	ca->lossy = 0;
	ca->round_cwnd = tp->snd_cwnd;
	ca->round_end = tp->delivered;
	ca->round_stamp = tp->tcp_mstamp;
}

/* Moves the window up or down, by velocity / delta packets a window of acknowledgements. */
static __always_inline void copa_move(struct tcp_sock *tp, struct copa *ca, __u32 acked, bool up)
{
	__u32 cwnd = max(tp->snd_cwnd, 1U);
	__u64 step, most = (__u64)acked << FRACTION_SHIFT;
	__s64 sum;

	if (up != ca->up && ca->velocity > 1) {
		ca->velocity = 1;
		ca->steady = 0;
	}
	step = (__u64)ca->velocity * ca->inv_delta * most / cwnd;
	step = min(step, most);
	sum = ca->fraction + (up ? (__s64)step : -(__s64)step);
	cwnd += (__s32)(sum >> FRACTION_SHIFT);
	ca->fraction = sum & ((1 << FRACTION_SHIFT) - 1);
	if ((__s32)cwnd < (__s32)CWND_MIN) {
		cwnd = CWND_MIN;
		ca->fraction = 0;
	}
	tp->snd_cwnd = min(cwnd, tp->snd_cwnd_clamp);
}

/* Twice the window per standing round-trip time, bytes per second. */
static __always_inline void copa_pace(struct sock *sk, __u32 standing_us)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	__u64 rate = 2ULL * tp->snd_cwnd * tp->mss_cache * USEC_PER_SEC / max(standing_us, 1U);

	sk->sk_pacing_rate = min(rate, (__u64)sk->sk_max_pacing_rate);
}

SEC("struct_ops")
void BPF_PROG(bpf_copa_init, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	struct copa *ca = inet_csk_ca(sk);

	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	ca->round_end = tp->delivered;
	ca->round_cwnd = tp->snd_cwnd;
	ca->empty_stamp = tp->tcp_mstamp;
	ca->round_stamp = tp->tcp_mstamp;
	ca->fraction = 0;
	ca->inv_delta = inv_delta;
	ca->velocity = 1;
	ca->steady = 0;
	ca->up = 1;
	ca->slow_start = 1;
	ca->full = 0;
	ca->competitive = 0;
	ca->lossy = 0;
	ca->has_rtt = 0;
	if (tp->srtt_us)
		copa_measure(tp, ca, tp->rtt_min.s[0].v);
	copa_pace(sk, tp->srtt_us ? tp->srtt_us >> 3 : USEC_PER_MSEC);
	tcp_need_pacing(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_copa_cong_control, struct sock *sk, __u32 ack, int flag, const struct rate_sample *rs)
{
	__u32 acked = rs->acked_sacked, min_us, standing_us, queue_us;
	struct copa *ca = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);
	__s64 rtt_us = rs->rtt_us;
	bool up;

	if (rtt_us > 0)
		copa_measure(tp, ca, rtt_us);
	if (!ca->has_rtt)
		return;
	min_us = ca->min_rtt.s[0].v;
	standing_us = ca->standing.s[0].v;
	queue_us = standing_us - min(min_us, standing_us);
	if (rs->losses > 0)
		copa_lost(tp, ca, min_us, queue_us);
	if (!acked)
		return;
	copa_set_mode(tp, ca, min_us, queue_us);

	/* The rate, window / standing, is at most the one aimed at, 1 / (delta * queue). */
	up = (__u64)tp->snd_cwnd * queue_us <= (__u64)ca->inv_delta * standing_us;
	if (ca->slow_start && !up)
		ca->slow_start = 0;
	if (up && !tcp_is_cwnd_limited(tp))
		;
	else if (ca->slow_start)
		tp->snd_cwnd = min(tp->snd_cwnd + acked, tp->snd_cwnd_clamp);
	else
		copa_move(tp, ca, acked, up);
	if (rs->delivered >= 0 && !before(rs->prior_delivered, ca->round_end))
		copa_end_round(tp, ca);
	copa_pace(sk, standing_us);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_copa_ssthresh, struct sock *sk)
{
	return tcp_sk(sk)->snd_ssthresh;
}

SEC("struct_ops")
void BPF_PROG(bpf_copa_set_state, struct sock *sk, __u8 new_state)
{
	struct copa *ca = inet_csk_ca(sk);

	if (new_state != TCP_CA_Loss)
		return;
	ca->slow_start = 1;
	ca->velocity = 1;
	ca->steady = 0;
	ca->up = 1;
	ca->fraction = 0;
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_copa_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwnd(sk);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_copa_sndbuf_expand, struct sock *sk)
{
	return 3; /* windows: recovery does not cut them */
}

SEC(".struct_ops.link")
struct tcp_congestion_ops bpf_copa = {
    .init = (void *)bpf_copa_init,
    .cong_control = (void *)bpf_copa_cong_control,
    .ssthresh = (void *)bpf_copa_ssthresh,
    .set_state = (void *)bpf_copa_set_state,
    .undo_cwnd = (void *)bpf_copa_undo_cwnd,
    .sndbuf_expand = (void *)bpf_copa_sndbuf_expand,
    .name = "copa",
};
