// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-cubic: the kernel's cubic (RFC 9438, with the kernel's HyStart).
 *
 * Policy. After a loss the window follows a cubic function of time, whose plateau lies at the window of the loss: steep
 * at first, flat near the plateau, steep again beyond. Growth does not depend on the round-trip time. Where Reno would
 * have a larger window, Reno's is taken. Slow start ends early (HyStart) when acknowledgements of one round arrive over
 * more than half the smallest round-trip time, or when a round's delay has grown by an eighth.
 *
 * Good for: long fat paths, where Reno takes minutes to regain its window. The default of most systems.
 *
 * Known weakness: it fills whatever buffer there is, and random loss is taken for congestion.
 *
 * Deviations from the kernel's cubic (tcp_cubic.c):
 *  1. The cube root is exact. The kernel's is read from a table and refined once: 0.2 % off on average.
 *  2. Constants that the kernel works out once at boot are worked out at use, from knobs that the load makes constant.
 *  3. Slow start at a fixed threshold instead of HyStart (initial_ssthresh) is left out.
 *  4. Each end of slow start is not counted in the host's statistics (TCPHystartTrainDetect and its like).
 *  5. The first round of HyStart ends at the first acknowledgement whatever the window, as in kernels since 6.14 and
 *     those that took it over; before, windows below hystart_low_window did not end rounds.
 */
#include "tcp.bpf.h"

char _license[] SEC("license") = "GPL";

/* The window after a loss, in 1/1024 of that before. */
const volatile __u32 beta = 717;
/* After a second loss below the old plateau, aim lower, to give others room. */
const volatile __u32 fast_convergence = 1;
/* C of the cubic function, 1/1024: 0.4 / 10 packets per second cubed over the reference round-trip time of 100 ms. */
const volatile __u32 bic_scale = 41;
/* Never below what Reno would have. */
const volatile __u32 tcp_friendliness = 1;
/* End slow start early; by acknowledgement trains (1), delay (2) or both (3); from which window on. */
const volatile __u32 hystart = 1;
const volatile __u32 hystart_detect = 3;
const volatile __u32 hystart_low_window = 16;
/* Acknowledgements closer than this are one train, us. */
const volatile __u32 hystart_ack_delta_us = 2000;

#define BETA_SCALE 1024
/* Time on the curve is in 1/1024 s. */
#define CURVE_HZ_SHIFT 10
#define CURVE_SHIFT    (10 + 3 * CURVE_HZ_SHIFT)

#define TRAIN	       1
#define DELAY	       2
/* Delay samples of a round before it is judged, and the bounds of the growth that ends slow start, us. */
#define DELAY_SAMPLES 8
#define DELAY_MIN     4000U
#define DELAY_MAX     16000U

struct cubic {
	/* The curve. Times in jiffies, windows in packets. */
	__u32 cnt; /* so many acknowledged packets for one more */
	__u32 last_max_cwnd; /* the plateau */
	__u32 last_cwnd; /* at last_time */
	__u32 last_time;
	__u32 origin; /* the plateau of this epoch */
	__u32 k; /* from the epoch's beginning to the plateau, 1/1024 s */
	__u32 delay_min; /* us */
	__u32 epoch_start; /* 0: none since the last loss */
	__u32 ack_cnt; /* packets acknowledged that Reno's window has not grown by */
	__u32 tcp_cwnd; /* what Reno would have */
	/* HyStart. Times in us. */
	__u32 round_start;
	__u32 end_seq; /* where the round ends */
	__u32 last_ack; /* the newest of the train */
	__u32 curr_rtt; /* the smallest of the round */
	__u8 sample_cnt;
	__u8 found; /* slow start was ended */
};

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

static __always_inline void hystart_reset(const struct tcp_sock *tp, struct cubic *ca)
{
	ca->round_start = ca->last_ack = tp->tcp_mstamp;
	ca->end_seq = tp->snd_nxt;
	ca->curr_rtt = ~0U;
	ca->sample_cnt = 0;
}

/* The cube root, rounded down: Newton's steps down from a power of two above it. */
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

/* Where the curve is at this time, packets. */
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

/* Begins an epoch: the curve starts at this window and levels out at that of the last loss. */
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

/* Where Reno, with this beta, would have a larger window by now, grows as fast as it would to get there. */
static __always_inline void cubic_be_friendly(struct cubic *ca, __u32 cwnd)
{
	__u32 scale = 8 * (BETA_SCALE + beta) / 3 / (BETA_SCALE - beta), step = (cwnd * scale) >> 3;

	if (step && ca->ack_cnt > step) {
		/* So many whole steps that some, at most one step, is left. */
		__u32 steps = (ca->ack_cnt - 1) / step;

		ca->ack_cnt -= steps * step;
		ca->tcp_cwnd += steps;
	}
	if (ca->tcp_cwnd > cwnd)
		ca->cnt = min(ca->cnt, cwnd / (ca->tcp_cwnd - cwnd));
}

/* How fast to grow, at most once a tick: so many acknowledged packets for one more in the window. */
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
		/* Before the first loss the curve has nothing to go by: 5 % a round trip. */
		if (!ca->last_max_cwnd)
			ca->cnt = min(ca->cnt, 20U);
	}
	if (tcp_friendliness)
		cubic_be_friendly(ca, cwnd);
	ca->cnt = max(ca->cnt, 2U); /* at most 1.5 times a round trip */
}

/* What segmentation may add to the length of a train, us: four of the largest bursts at the present rate, at most 1 ms. */
static __always_inline __u32 hystart_ack_delay(const struct sock *sk)
{
	__u64 rate = sk->sk_pacing_rate;

	if (!rate)
		return 0;
	return min(USEC_PER_MSEC, (__u64)sk->sk_gso_max_size * 4 * USEC_PER_SEC / rate);
}

/* Ends slow start if this acknowledgement says that the path is full. */
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
			/* Pacing stretches what is sent over half a round trip in slow start. */
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

/* The sender was idle: the curve waits for it. */
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
	/* Right after a recovery delays say nothing. */
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
