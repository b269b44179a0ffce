// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-cubic: a port of the kernel's cubic (RFC 9438, with the kernel's HyStart).
 *
 * Policy. After a loss the window follows a cubic function of time. The plateau of the curve is the window at the loss.
 * The curve rises steeply, flattens near the plateau, and steepens beyond it. Growth does not depend on the RTT. Where
 * Reno's window would be larger, CUBIC uses Reno's (the Reno-friendly region). HyStart ends slow start before the first
 * loss. It has two criteria: the ACKs of a round spread over more than half the minimum RTT, or the RTT of a round
 * exceeds the minimum by an eighth.
 *
 * Good for: paths with a large BDP, where Reno takes minutes to regain its window. CUBIC is the default of most
 * systems.
 *
 * Known weakness: CUBIC fills any buffer, and treats random loss as congestion.
 *
 * Deviations from the kernel's cubic (tcp_cubic.c):
 *  1. The cube root is exact. The kernel reads a table and refines the value once; its mean error is 0.2 %.
 *  2. Constants that the kernel computes at boot are computed at use, from knobs that are constant once loaded.
 *  3. There is no initial_ssthresh, the knob for slow start to a fixed threshold instead of HyStart.
 *  4. The end of slow start does not update the host's statistics (TCPHystartTrainDetect and similar).
 *  5. The first round of HyStart ends at the first ACK for any window, as in kernels since 6.14 and those with the
 *     backport. In older kernels a window below hystart_low_window did not end a round.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* The window after a loss, in 1/1024 of the window before. */
const volatile __u32 beta = 717;
/* After a loss below the old plateau, lower the plateau further, to release bandwidth to other flows. */
const volatile __u32 fast_convergence = 1;
/* The scaling constant C, in 1/1024: 0.4 packets per second cubed, divided by 10 for the reference RTT of 100 ms. */
const volatile __u32 bic_scale = 41;
/* Keep the window at least as large as Reno's. */
const volatile __u32 tcp_friendliness = 1;
/* HyStart: enabled; criteria: ACK trains (1), delay (2) or both (3); the smallest window for them, packets. */
const volatile __u32 hystart = 1;
const volatile __u32 hystart_detect = 3;
const volatile __u32 hystart_low_window = 16;
/* ACKs at most this far apart belong to one train, us. */
const volatile __u32 hystart_ack_delta_us = 2000;

#define BETA_SCALE 1024
/* The unit of time on the curve is 1/1024 s. */
#define CURVE_HZ_SHIFT 10
#define CURVE_SHIFT    (10 + 3 * CURVE_HZ_SHIFT)

#define TRAIN	       1
#define DELAY	       2
/* RTT samples of a round before the delay criterion applies; bounds of the RTT increase that ends slow start, us. */
#define DELAY_SAMPLES 8
#define DELAY_MIN     4000U
#define DELAY_MAX     16000U

struct cubic {
	/* The curve. Times in jiffies, windows in packets. */
	__u32 cnt; /* acknowledged packets per packet of growth */
	__u32 last_max_cwnd; /* the plateau set by the last loss; 0: no loss yet */
	__u32 last_cwnd; /* the window at last_time */
	__u32 last_time; /* of the last update of cnt */
	__u32 origin; /* the plateau of this epoch */
	__u32 k; /* from the start of the epoch to the plateau, 1/1024 s */
	__u32 delay_min; /* the minimum RTT, us */
	__u32 epoch_start; /* 0: no epoch since the last loss */
	__u32 ack_cnt; /* acknowledged packets not yet counted in tcp_cwnd */
	__u32 tcp_cwnd; /* the window that Reno would have */
	/* HyStart. Times in us. */
	__u32 round_start;
	__u32 end_seq; /* the sequence number that ends the round */
	__u32 last_ack; /* the newest ACK of the train */
	__u32 curr_rtt; /* the minimum RTT of the round */
	__u8 sample_cnt; /* RTT samples of the round */
	__u8 found; /* HyStart has ended slow start */
};

/* Forgets the curve and all losses. */
static __always_inline void cubic_reset(struct cubic *ca)
{
	ca->cnt = 0;
	ca->last_max_cwnd = 0;
	ca->last_cwnd = 0;
	ca->last_time = 0;
	ca->origin = 0;
	ca->k = 0;
	ca->delay_min = 0;
	ca->epoch_start = 0;
	ca->ack_cnt = 0;
	ca->tcp_cwnd = 0;
	ca->found = 0;
}

/* Starts a round of HyStart. */
static __always_inline void hystart_reset(const struct tcp_sock *tp, struct cubic *ca)
{
	ca->round_start = ca->last_ack = tp->tcp_mstamp;
	ca->end_seq = tp->snd_nxt;
	ca->curr_rtt = ~0U;
	ca->sample_cnt = 0;
}

/* Returns the cube root, rounded down. Newton's method descends from a power of two above the root. */
static __always_inline __u32 cube_root(__u64 a)
{
	__u64 x = 1, next;

	for (__u64 rest = a; rest; rest >>= 3)
		x <<= 1;
	for (int i = 0; i < 10; i++) {
		next = (2 * x + a / (x * x)) / 3;
		if (next >= x)
			break;
		x = next;
	}
	return x;
}

/* Returns the window on the curve one minimum RTT from now, packets. */
static __always_inline __u32 cubic_target(const struct cubic *ca)
{
	__s32 ticks = tcp_jiffies32() - ca->epoch_start;
	__u64 t = (__u64)(ticks + (__s64)usecs_to_jiffies(ca->delay_min)) << CURVE_HZ_SHIFT;
	__u64 off;
	__u32 delta;

	t /= kernel_hz;
	off = t < ca->k ? ca->k - t : t - ca->k;
	delta = (bic_scale * 10 * off * off * off) >> CURVE_SHIFT;
	return t < ca->k ? ca->origin - delta : ca->origin + delta;
}

/* Starts an epoch. The curve starts at the current window, and its plateau is that of the last loss. */
static __always_inline void cubic_begin(struct cubic *ca, __u32 cwnd, __u32 acked)
{
	ca->epoch_start = tcp_jiffies32();
	ca->ack_cnt = acked;
	ca->tcp_cwnd = cwnd;
	if (ca->last_max_cwnd <= cwnd) {
		ca->k = 0;
		ca->origin = cwnd;
	} else {
		ca->k = cube_root((1ULL << CURVE_SHIFT) / (bic_scale * 10) * (ca->last_max_cwnd - cwnd));
		ca->origin = ca->last_max_cwnd;
	}
}

/* Estimates Reno's window for this beta. If that is larger, lowers cnt to reach it in one round trip. */
static __always_inline void cubic_be_friendly(struct cubic *ca, __u32 cwnd)
{
	__u32 scale = 8 * (BETA_SCALE + beta) / 3 / (BETA_SCALE - beta), step = (cwnd * scale) >> 3;

	if (step && ca->ack_cnt > step) {
		/* Count whole steps, but leave a remainder of 1 to step packets, as the kernel's loop does. */
		__u32 steps = (ca->ack_cnt - 1) / step;

		ca->ack_cnt -= steps * step;
		ca->tcp_cwnd += steps;
	}
	if (ca->tcp_cwnd > cwnd)
		ca->cnt = min(ca->cnt, cwnd / (ca->tcp_cwnd - cwnd));
}

/* Sets cnt, the acknowledged packets per packet of growth. The curve is evaluated at most once a tick. */
static __always_inline void cubic_update(struct cubic *ca, __u32 cwnd, __u32 acked)
{
	__u32 now = tcp_jiffies32(), target;

	ca->ack_cnt += acked;
	if (ca->last_cwnd == cwnd && (__s32)(now - ca->last_time) <= (__s32)(kernel_hz / 32))
		return;
	if (!ca->epoch_start || now != ca->last_time) {
		ca->last_cwnd = cwnd;
		ca->last_time = now;
		if (!ca->epoch_start)
			cubic_begin(ca, cwnd, acked);
		target = cubic_target(ca);
		ca->cnt = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
		/* Before the first loss there is no plateau: grow by at least 5 % a round trip. */
		if (!ca->last_max_cwnd)
			ca->cnt = min(ca->cnt, 20U);
	}
	if (tcp_friendliness)
		cubic_be_friendly(ca, cwnd);
	ca->cnt = max(ca->cnt, 2U); /* at most by a factor of 1.5 a round trip */
}

/* Returns the time that GSO may add to a train, us: four maximum bursts at the current rate, at most 1 ms. */
static __always_inline __u32 hystart_ack_delay(const struct sock *sk)
{
	__u64 rate = sk->sk_pacing_rate;

	if (!rate)
		return 0;
	return min(USEC_PER_MSEC, (__u64)sk->sk_gso_max_size * 4 * USEC_PER_SEC / rate);
}

/* Ends slow start if this ACK shows that the path is full. */
static __always_inline void hystart_update(struct sock *sk, __u32 delay)
{
	struct cubic *ca = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	if (after(tp->snd_una, ca->end_seq))
		hystart_reset(tp, ca);
	if (tp->snd_cwnd < hystart_low_window)
		return;
	if (hystart_detect & TRAIN) {
		__u32 now = tp->tcp_mstamp, longest;

		if ((__s32)(now - ca->last_ack) <= (__s32)hystart_ack_delta_us) {
			ca->last_ack = now;
			longest = ca->delay_min + hystart_ack_delay(sk);
			/* Pacing may delay packets by half an RTT in slow start, so only unpaced flows halve the limit. */
			if (sk->sk_pacing_status == SK_PACING_NONE)
				longest /= 2;
			if ((__s32)(now - ca->round_start) > (__s32)longest) {
				ca->found = 1;
				tp->snd_ssthresh = tp->snd_cwnd;
			}
		}
	}
	if (hystart_detect & DELAY) {
		ca->curr_rtt = min(ca->curr_rtt, delay);
		if (ca->sample_cnt < DELAY_SAMPLES) {
			ca->sample_cnt++;
		} else if (ca->curr_rtt > ca->delay_min + min(max(ca->delay_min >> 3, DELAY_MIN), DELAY_MAX)) {
			ca->found = 1;
			tp->snd_ssthresh = tp->snd_cwnd;
		}
	}
}

/* Restarts after an idle time: shifts the epoch by that time, so that the curve does not advance. */
static __always_inline void cubic_wake(struct sock *sk)
{
	struct cubic *ca = inet_csk_ca(sk);
	__u32 now = tcp_jiffies32();
	__s32 idle = now - tcp_sk(sk)->lsndtime;

	if (!ca->epoch_start || idle <= 0)
		return;
	ca->epoch_start += idle;
	if (after(ca->epoch_start, now))
		ca->epoch_start = now;
}

SEC("struct_ops")
void BPF_PROG(bpf_cubic_init, struct sock *sk)
{
	struct cubic *ca = inet_csk_ca(sk);

	cubic_reset(ca);
	if (hystart)
		hystart_reset(tcp_sk(sk), ca);
}

SEC("struct_ops")
void BPF_PROG(bpf_cubic_cwnd_event, struct sock *sk, int ev)
{
	if (ev == CA_EVENT_TX_START)
		cubic_wake(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_cubic_cwnd_event_tx_start, struct sock *sk)
{
	cubic_wake(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_cubic_pkts_acked, struct sock *sk, const struct ack_sample *sample)
{
	struct cubic *ca = inet_csk_ca(sk);
	__s32 rtt = sample->rtt_us;
	__u32 delay;

	if (rtt < 0)
		return;
	/* Ignore samples in the first second of an epoch, right after a recovery. */
	if (ca->epoch_start && (__s32)(tcp_jiffies32() - ca->epoch_start) < (__s32)kernel_hz)
		return;
	delay = max(rtt, 1);
	if (!ca->delay_min || ca->delay_min > delay)
		ca->delay_min = delay;
	if (!ca->found && hystart && tcp_in_slow_start(tcp_sk(sk)))
		hystart_update(sk, delay);
}

SEC("struct_ops")
void BPF_PROG(bpf_cubic_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	struct cubic *ca = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	if (!tcp_is_cwnd_limited(tp))
		return;
	if (tcp_in_slow_start(tp)) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	cubic_update(ca, tp->snd_cwnd, acked);
	tcp_cong_avoid_ai(tp, ca->cnt, acked);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_cubic_ssthresh, struct sock *sk)
{
	struct cubic *ca = inet_csk_ca(sk);
	__u32 cwnd = tcp_sk(sk)->snd_cwnd;

	ca->epoch_start = 0;
	if (cwnd < ca->last_max_cwnd && fast_convergence)
		ca->last_max_cwnd = cwnd * (BETA_SCALE + beta) / (2 * BETA_SCALE);
	else
		ca->last_max_cwnd = cwnd;
	return max(cwnd * beta / BETA_SCALE, 2U);
}

SEC("struct_ops")
void BPF_PROG(bpf_cubic_set_state, struct sock *sk, __u8 new_state)
{
	struct cubic *ca = inet_csk_ca(sk);

	if (new_state != TCP_CA_Loss)
		return;
	cubic_reset(ca);
	hystart_reset(tcp_sk(sk), ca);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_cubic_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwnd(sk);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops bpf_cubic = {
    .init = (void *)bpf_cubic_init,
    .cwnd_event = (void *)bpf_cubic_cwnd_event,
    .cwnd_event_tx_start = (void *)bpf_cubic_cwnd_event_tx_start,
    .pkts_acked = (void *)bpf_cubic_pkts_acked,
    .cong_avoid = (void *)bpf_cubic_cong_avoid,
    .ssthresh = (void *)bpf_cubic_ssthresh,
    .set_state = (void *)bpf_cubic_set_state,
    .undo_cwnd = (void *)bpf_cubic_undo_cwnd,
    .name = "cubic",
};
