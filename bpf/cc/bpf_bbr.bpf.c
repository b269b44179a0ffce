// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-bbr: the kernel's bbr, version 1 (Cardwell, Cheng, Gunn, Yeganeh, Jacobson: "BBR: Congestion-Based Congestion
 * Control", ACM Queue 2016).
 *
 * Policy. Two measurements make a model of the path: the largest delivery rate of the last ten round trips, and the
 * smallest round-trip time of the last ten seconds. Their product is what the path holds without a queue. Packets are
 * paced at the rate times a gain; the window, twice the product, is only a safeguard. Startup doubles the rate every
 * round trip until it does not grow any more, Drain takes away the queue that this made, ProbeBW cycles the gain (5/4,
 * 3/4, six times 1) to see whether there is more to be had, and ProbeRTT sends next to nothing for 200 ms whenever the
 * smallest round-trip time has grown old. A loss is no sign of congestion, except that steady losses of a fifth at a
 * steady rate are taken for a policer, whose rate is then kept to.
 *
 * Good for: long paths with random loss, and paths with large buffers, which it does not fill.
 *
 * Known weakness: in small buffers it loses many packets and takes more than its share from Reno and Cubic; several flows
 * overestimate the rate together and are held only by their windows; flows with long round-trip times take more.
 *
 * Deviations from the kernel's bbr (tcp_bbr.c):
 *  1. No get_info, as for all in BPF: ss does not show the model.
 *  2. Pacing is asked for by a plain write where the kernel compares and exchanges: the socket is locked.
 *  3. The longest burst is worked out with the headers' room of a usual x86-64 build (MAX_TCP_HEADER of 320 bytes).
 *  4. The first phase of a gain cycle is drawn from BPF's random numbers. They are as random, but others.
 *
 * In this file, from top to bottom: knobs and constants; the state; from rate to pacing, bursts and what the path holds;
 * the cycle of gains; policers (lt_); what an acknowledgement tells of the rate and of aggregation; the modes and the
 * smallest round-trip time; recovery and the window; at the end the operations that the kernel calls, of which
 * cong_control is where to begin reading.
 */
#include "tcp.bpf.h"
#include "window.bpf.h"

char _license[] SEC("license") = "GPL";

/* Gains are in 1/256. */
#define UNIT 256
/* Rates are in packets per us, times 2^24. */
#define BW_SHIFT 24
#define BW_UNIT	 (1ULL << BW_SHIFT)

/* Gain of Startup: the least that doubles the rate every round trip, 2 / ln 2. Drain's is the inverse. */
const volatile __u32 high_gain = UNIT * 2885 / 1000 + 1;
const volatile __u32 drain_gain = UNIT * 1000 / 2885;
/* The window, as a multiple of what the path holds: room for delayed and stretched acknowledgements. */
const volatile __u32 cwnd_gain = 2 * UNIT;
/* How much of the found rate is left unused, percent. */
const volatile __u32 pacing_margin_percent = 1;
/* How long the filters remember: round trips, seconds. */
const volatile __u32 bw_rtts = 10;
const volatile __u32 min_rtt_win_sec = 10;
/* How long ProbeRTT stays at the smallest window; 0: it is never done. */
const volatile __u32 probe_rtt_mode_ms = 200;

#define CYCLE_LEN  8
#define CYCLE_RAND 7
#define CWND_MIN   4U
/* Below this rate bursts are one packet, bytes per second. */
#define MIN_TSO_RATE (1200000 / 8)
#define BURST_MAX    (65536 - 1 - 320)

/* The pipe is full after so many rounds that did not find a quarter more. */
#define FULL_BW_THRESH (UNIT * 5 / 4)
#define FULL_BW_CNT    3

/* A policer: intervals of at least 4 rounds, a loss of 50/256, rates within an eighth or 4 kbit/s, kept for 48 rounds. */
#define LT_INTVL_MIN_RTTS 4
#define LT_LOSS_THRESH	  50
#define LT_BW_RATIO	  (UNIT / 8)
#define LT_BW_DIFF	  (4000 / 8)
#define LT_BW_MAX_RTTS	  48

/* Aggregation of acknowledgements: remembered for 5 to 10 rounds, worth at most 100 ms of the rate. */
#define EXTRA_ACKED_WIN_RTTS 5
#define EXTRA_ACKED_MAX_US   100000
#define ACK_EPOCH_MAX	     (1U << 20)

enum mode { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

/* All of icsk_ca_priv, to the last byte. Stamps in us unless said otherwise. */
struct bbr {
	__u64 cycle_mstamp; /* beginning of the phase of the gain cycle */
	__u64 ack_epoch_mstamp; /* beginning of the aggregation epoch */
	struct window bw; /* the largest delivery rates, by round */
	__u32 min_rtt_us;
	__u32 min_rtt_stamp; /* jiffies */
	__u32 probe_rtt_done_stamp; /* jiffies; 0: the window is not small yet */
	__u32 rtt_cnt; /* rounds */
	__u32 next_rtt_delivered; /* where the round ends */
	__u32 lt_bw; /* the policer's rate */
	__u32 lt_last_delivered; /* at the beginning of the interval, as the next two */
	__u32 lt_last_stamp; /* ms */
	__u32 lt_last_lost;
	__u32 prior_cwnd; /* before recovery or ProbeRTT */
	__u32 full_bw; /* the rate to be beaten by a quarter */
	__u32 ack_epoch_acked;
	__u16 pacing_gain;
	__u16 cwnd_gain;
	__u16 extra_acked_even; /* of the present window or that before */
	__u16 extra_acked_odd;
	__u8 mode : 2;
	__u8 prev_ca_state : 3;
	__u8 full_bw_cnt : 2;
	__u8 extra_acked_is_odd : 1;
	__u8 cycle_idx : 3;
	__u8 extra_acked_win_rtts : 5;
	__u8 lt_rtt_cnt : 7;
	__u8 lt_is_sampling : 1;
	__u8 lt_use_bw : 1;
	__u8 packet_conservation : 1;
	__u8 round_start : 1;
	__u8 idle_restart : 1;
	__u8 probe_rtt_round_done : 1;
	__u8 full_bw_reached : 1;
	__u8 has_seen_rtt : 1;
};

_Static_assert(sizeof(struct bbr) <= 13 * sizeof(__u64), "the state is larger than icsk_ca_priv");

static __always_inline __u32 bbr_max_bw(const struct bbr *bbr)
{
	return bbr->bw.s[0].v;
}

/* The rate of the model. */
static __always_inline __u32 bbr_bw(const struct bbr *bbr)
{
	return bbr->lt_use_bw ? bbr->lt_bw : bbr_max_bw(bbr);
}

static __always_inline __u64 bbr_bytes_per_sec(const struct tcp_sock *tp, __u64 bw, __u32 gain)
{
	bw = bw * tp->mss_cache * gain / UNIT;
	return bw * (USEC_PER_SEC / 100 * (100 - pacing_margin_percent)) >> BW_SHIFT;
}

static __always_inline unsigned long bbr_pacing_rate(const struct sock *sk, __u64 bw, __u32 gain)
{
	return min(bbr_bytes_per_sec(tcp_sk(sk), bw, gain), (__u64)sk->sk_max_pacing_rate);
}

/* The rate before there is a model: the window over the round-trip time, 1 ms if that is not known, with Startup's gain. */
static __always_inline void bbr_init_pacing_rate(struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 rtt_us = USEC_PER_MSEC;

	if (tp->srtt_us) {
		rtt_us = max(tp->srtt_us >> 3, 1U);
		bbr->has_seen_rtt = 1;
	}
	/* The kernel keeps this rate in 32 bits, too. */
	sk->sk_pacing_rate = bbr_pacing_rate(sk, (__u32)(tp->snd_cwnd * BW_UNIT / rtt_us), high_gain);
}

static __always_inline void bbr_set_pacing_rate(struct sock *sk, __u32 bw, __u32 gain)
{
	unsigned long rate = bbr_pacing_rate(sk, bw, gain);
	struct bbr *bbr = inet_csk_ca(sk);

	if (!bbr->has_seen_rtt && tcp_sk(sk)->srtt_us)
		bbr_init_pacing_rate(sk);
	if (bbr->full_bw_reached || rate > sk->sk_pacing_rate)
		sk->sk_pacing_rate = rate;
}

static __always_inline __u32 bbr_min_segs(const struct sock *sk)
{
	return sk->sk_pacing_rate < MIN_TSO_RATE ? 1 : 2;
}

/* The packets of a burst at the present rate. */
static __always_inline __u32 bbr_burst(const struct sock *sk)
{
	__u64 bytes = min(sk->sk_pacing_rate >> (sk->sk_pacing_shift & 63), (unsigned long)BURST_MAX);
	__u32 segs = max((__u32)bytes / tcp_sk(sk)->mss_cache, bbr_min_segs(sk));

	return min(segs, 0x7fU);
}

/* What the path holds, times the gain, rounded up. */
static __always_inline __u32 bbr_bdp(const struct bbr *bbr, __u32 bw, __u32 gain)
{
	__u64 w;

	if (bbr->min_rtt_us == ~0U)
		return TCP_INIT_CWND; /* no measurement, after timeouts only */
	w = (__u64)bw * bbr->min_rtt_us;
	return (w * gain / UNIT + BW_UNIT - 1) >> BW_SHIFT;
}

/* Adds the bursts that stand in both hosts, rounds up to even for delayed acknowledgements, and lets the probe show. */
static __always_inline __u32 bbr_quantize(const struct sock *sk, __u32 cwnd)
{
	const struct bbr *bbr = inet_csk_ca(sk);

	cwnd = (cwnd + 3 * bbr_burst(sk) + 1) & ~1U;
	if (bbr->mode == PROBE_BW && bbr->cycle_idx == 0)
		cwnd += 2;
	return cwnd;
}

static __always_inline __u32 bbr_inflight(const struct sock *sk, __u32 bw, __u32 gain)
{
	return bbr_quantize(sk, bbr_bdp(inet_csk_ca(sk), bw, gain));
}

/* What will be in the network when the next packet departs, as pacing holds packets back that count as in flight. */
static __always_inline __u32 bbr_in_net_at_departure(const struct sock *sk, __u32 inflight)
{
	const struct bbr *bbr = inet_csk_ca(sk);
	const struct tcp_sock *tp = tcp_sk(sk);
	__u64 now = tp->tcp_clock_cache, then = max(tp->tcp_wstamp_ns, now);
	__u32 wait_us = (then - now) / 1000;
	__u32 delivered = (__u64)bbr_bw(bbr) * wait_us >> BW_SHIFT;

	if (bbr->pacing_gain > UNIT)
		inflight += bbr_burst(sk);
	return delivered >= inflight ? 0 : inflight - delivered;
}

static __always_inline void bbr_save_cwnd(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 cwnd = tcp_sk(sk)->snd_cwnd;

	if (bbr->prev_ca_state < TCP_CA_Recovery && bbr->mode != PROBE_RTT)
		bbr->prior_cwnd = cwnd;
	else /* it has been cut for the time being */
		bbr->prior_cwnd = max(bbr->prior_cwnd, cwnd);
}

static __always_inline void bbr_next_phase(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->cycle_idx = (bbr->cycle_idx + 1) & (CYCLE_LEN - 1);
	bbr->cycle_mstamp = tcp_sk(sk)->delivered_mstamp;
}

/* Begins ProbeBW in any phase but that of draining. */
static __always_inline void bbr_begin_probe_bw(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->mode = PROBE_BW;
	bbr->cycle_idx = CYCLE_LEN - 1 - bpf_get_prandom_u32() % CYCLE_RAND;
	bbr_next_phase(sk);
}

/* Policers: a new interval, and from scratch. */
static __always_inline void bbr_lt_next_interval(struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->lt_last_stamp = tp->delivered_mstamp / USEC_PER_MSEC;
	bbr->lt_last_delivered = tp->delivered;
	bbr->lt_last_lost = tp->lost;
	bbr->lt_rtt_cnt = 0;
}

static __always_inline void bbr_lt_reset(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->lt_bw = 0;
	bbr->lt_use_bw = 0;
	bbr->lt_is_sampling = 0;
	bbr_lt_next_interval(sk);
}

/* An interval ended at this rate. Two of about the same in a row are a policer's. */
static __always_inline void bbr_lt_interval_done(struct sock *sk, __u32 bw)
{
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 old = bbr->lt_bw, diff = bw > old ? bw - old : old - bw;

	if (old && (diff * UNIT <= LT_BW_RATIO * old || bbr_bytes_per_sec(tcp_sk(sk), diff, UNIT) <= LT_BW_DIFF)) {
		bbr->lt_bw = (bw + old) >> 1;
		bbr->lt_use_bw = 1;
		bbr->pacing_gain = UNIT;
		bbr->lt_rtt_cnt = 0;
		return;
	}
	bbr->lt_bw = bw;
	bbr_lt_next_interval(sk);
}

/* Looks for a policer: intervals from loss to loss, so that it has run out of tokens at both ends. */
static __always_inline void bbr_lt_sample(struct sock *sk, int losses, bool app_limited)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 lost, delivered, ms;

	if (bbr->lt_use_bw) {
		if (bbr->mode == PROBE_BW && bbr->round_start && ++bbr->lt_rtt_cnt >= LT_BW_MAX_RTTS) {
			bbr_lt_reset(sk);
			bbr_begin_probe_bw(sk);
		}
		return;
	}
	if (!bbr->lt_is_sampling) {
		if (!losses)
			return;
		bbr_lt_next_interval(sk);
		bbr->lt_is_sampling = 1;
	}
	if (app_limited) {
		bbr_lt_reset(sk);
		return;
	}
	if (bbr->round_start)
		bbr->lt_rtt_cnt++;
	if (bbr->lt_rtt_cnt < LT_INTVL_MIN_RTTS)
		return;
	if (bbr->lt_rtt_cnt > 4 * LT_INTVL_MIN_RTTS) {
		bbr_lt_reset(sk);
		return;
	}
	if (!losses)
		return;
	lost = tp->lost - bbr->lt_last_lost;
	delivered = tp->delivered - bbr->lt_last_delivered;
	if (!delivered || lost * UNIT < LT_LOSS_THRESH * delivered)
		return;
	ms = (__u32)(tp->delivered_mstamp / USEC_PER_MSEC) - bbr->lt_last_stamp;
	if ((__s32)ms < 1)
		return;
	if (ms >= ~0U / USEC_PER_MSEC) {
		bbr_lt_reset(sk);
		return;
	}
	bbr_lt_interval_done(sk, delivered * BW_UNIT / (ms * (__u32)USEC_PER_MSEC));
}

/* The rate: what was delivered over the interval. A sample that the sender's own idleness made low does not count. */
static __always_inline void bbr_update_bw(struct sock *sk, const struct rate_sample *rs)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__s32 delivered = rs->delivered;
	__s64 interval_us = rs->interval_us;
	__u64 bw;

	bbr->round_start = 0;
	if (delivered < 0 || interval_us <= 0)
		return;
	if (!before(rs->prior_delivered, bbr->next_rtt_delivered)) {
		bbr->next_rtt_delivered = tp->delivered;
		bbr->rtt_cnt++;
		bbr->round_start = 1;
		bbr->packet_conservation = 0;
	}
	bbr_lt_sample(sk, rs->losses, rs->is_app_limited);
	bw = (__u64)delivered * BW_UNIT / (__u64)interval_us;
	if (!rs->is_app_limited || bw >= bbr_max_bw(bbr))
		window_max(&bbr->bw, bw_rtts, bbr->rtt_cnt, bw);
}

/* How much more was acknowledged in one epoch than the rate explains: what has to be in flight while nothing arrives. */
static __always_inline void bbr_update_ack_aggregation(struct sock *sk, const struct rate_sample *rs)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 acked = rs->acked_sacked, epoch_us, expected, extra;
	__s64 since;

	if (!acked || rs->delivered < 0 || rs->interval_us <= 0)
		return;
	if (bbr->round_start) {
		bbr->extra_acked_win_rtts = min(0x1f, bbr->extra_acked_win_rtts + 1);
		if (bbr->extra_acked_win_rtts >= EXTRA_ACKED_WIN_RTTS) {
			bbr->extra_acked_win_rtts = 0;
			bbr->extra_acked_is_odd ^= 1;
			if (bbr->extra_acked_is_odd)
				bbr->extra_acked_odd = 0;
			else
				bbr->extra_acked_even = 0;
		}
	}
	since = tp->delivered_mstamp - bbr->ack_epoch_mstamp;
	epoch_us = max(since, 0LL);
	expected = (__u64)bbr_bw(bbr) * epoch_us >> BW_SHIFT;
	if (bbr->ack_epoch_acked <= expected || bbr->ack_epoch_acked + acked >= ACK_EPOCH_MAX) {
		bbr->ack_epoch_acked = 0;
		bbr->ack_epoch_mstamp = tp->delivered_mstamp;
		expected = 0;
	}
	bbr->ack_epoch_acked = min(ACK_EPOCH_MAX - 1, bbr->ack_epoch_acked + acked);
	extra = min(bbr->ack_epoch_acked - expected, tp->snd_cwnd);
	if (bbr->extra_acked_is_odd) {
		if (extra > bbr->extra_acked_odd)
			bbr->extra_acked_odd = extra;
	} else if (extra > bbr->extra_acked_even) {
		bbr->extra_acked_even = extra;
	}
}

static __always_inline __u32 bbr_ack_aggregation_cwnd(const struct bbr *bbr)
{
	__u32 most, extra;

	if (!bbr->full_bw_reached)
		return 0;
	most = (__u64)bbr_bw(bbr) * EXTRA_ACKED_MAX_US >> BW_SHIFT;
	extra = max(bbr->extra_acked_even, bbr->extra_acked_odd);
	return min(extra, most);
}

/* Is the phase of the gain cycle over? One that probes lasts until the queue shows, one that drains until it is gone. */
static __always_inline bool bbr_is_phase_over(struct sock *sk, const struct rate_sample *rs)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__s64 since = tp->delivered_mstamp - bbr->cycle_mstamp;
	bool full_length = since > (__s64)bbr->min_rtt_us;
	__u32 inflight;

	if (bbr->pacing_gain == UNIT)
		return full_length;
	inflight = bbr_in_net_at_departure(sk, rs->prior_in_flight);
	if (bbr->pacing_gain > UNIT)
		return full_length && (rs->losses || inflight >= bbr_inflight(sk, bbr_max_bw(bbr), bbr->pacing_gain));
	return full_length || inflight <= bbr_inflight(sk, bbr_max_bw(bbr), UNIT);
}

static __always_inline void bbr_check_full_bw(struct bbr *bbr, const struct rate_sample *rs)
{
	if (bbr->full_bw_reached || !bbr->round_start || rs->is_app_limited)
		return;
	if (bbr_max_bw(bbr) >= (__u32)((__u64)bbr->full_bw * FULL_BW_THRESH / UNIT)) {
		bbr->full_bw = bbr_max_bw(bbr);
		bbr->full_bw_cnt = 0;
		return;
	}
	bbr->full_bw_cnt++;
	bbr->full_bw_reached = bbr->full_bw_cnt >= FULL_BW_CNT;
}

static __always_inline void bbr_check_drain(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	if (bbr->mode == STARTUP && bbr->full_bw_reached) {
		bbr->mode = DRAIN;
		tp->snd_ssthresh = bbr_inflight(sk, bbr_max_bw(bbr), UNIT);
	}
	if (bbr->mode == DRAIN &&
	    bbr_in_net_at_departure(sk, tcp_packets_in_flight(tp)) <= bbr_inflight(sk, bbr_max_bw(bbr), UNIT))
		bbr_begin_probe_bw(sk);
}

/* Leaves ProbeRTT when its time is over. */
static __always_inline void bbr_check_probe_rtt_done(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);
	__u32 now = tcp_jiffies32();

	if (!bbr->probe_rtt_done_stamp || !after(now, bbr->probe_rtt_done_stamp))
		return;
	bbr->min_rtt_stamp = now;
	tp->snd_cwnd = max(tp->snd_cwnd, bbr->prior_cwnd);
	if (bbr->full_bw_reached)
		bbr_begin_probe_bw(sk);
	else
		bbr->mode = STARTUP;
}

static __always_inline void bbr_update_min_rtt(struct sock *sk, const struct rate_sample *rs)
{
	struct bbr *bbr = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);
	__u32 now = tcp_jiffies32();
	bool expired = after(now, bbr->min_rtt_stamp + min_rtt_win_sec * kernel_hz);
	__s64 rtt_us = rs->rtt_us;

	if (rtt_us >= 0 && (rtt_us < (__s64)bbr->min_rtt_us || (expired && !rs->is_ack_delayed))) {
		bbr->min_rtt_us = rtt_us;
		bbr->min_rtt_stamp = now;
	}
	if (probe_rtt_mode_ms && expired && !bbr->idle_restart && bbr->mode != PROBE_RTT) {
		bbr->mode = PROBE_RTT;
		bbr_save_cwnd(sk);
		bbr->probe_rtt_done_stamp = 0;
	}
	if (bbr->mode == PROBE_RTT) {
		__u32 inflight = tcp_packets_in_flight(tp), limit = tp->delivered + inflight;

		/* The low rates of this time are not the path's. */
		tp->app_limited = limit ? limit : 1;
		if (!bbr->probe_rtt_done_stamp && inflight <= CWND_MIN) {
			bbr->probe_rtt_done_stamp = now + usecs_to_jiffies(probe_rtt_mode_ms * USEC_PER_MSEC);
			bbr->probe_rtt_round_done = 0;
			bbr->next_rtt_delivered = tp->delivered;
		} else if (bbr->probe_rtt_done_stamp) {
			if (bbr->round_start)
				bbr->probe_rtt_round_done = 1;
			if (bbr->probe_rtt_round_done)
				bbr_check_probe_rtt_done(sk);
		}
	}
	if (rs->delivered > 0)
		bbr->idle_restart = 0;
}

/* The gains of the mode. */
static __always_inline void bbr_update_gains(struct bbr *bbr)
{
	switch (bbr->mode) {
	case STARTUP:
		bbr->pacing_gain = high_gain;
		bbr->cwnd_gain = high_gain;
		break;
	case DRAIN:
		bbr->pacing_gain = drain_gain;
		bbr->cwnd_gain = high_gain;
		break;
	case PROBE_BW:
		if (bbr->lt_use_bw || bbr->cycle_idx > 1)
			bbr->pacing_gain = UNIT;
		else
			bbr->pacing_gain = bbr->cycle_idx ? UNIT * 3 / 4 : UNIT * 5 / 4;
		bbr->cwnd_gain = cwnd_gain;
		break;
	case PROBE_RTT:
		bbr->pacing_gain = UNIT;
		bbr->cwnd_gain = UNIT;
		break;
	}
}

/*
 * In the first round of recovery a packet is sent for each that is delivered; after that the window grows towards its
 * target again, and when recovery ends it is what it was. Returns whether the window is to be left at *window.
 */
static __always_inline bool bbr_recover(struct sock *sk, int losses, __u32 acked, __u32 *window)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__u8 before = bbr->prev_ca_state, now = tcp_ca_state_of(sk);
	__u32 cwnd = tp->snd_cwnd, conserved = tcp_packets_in_flight(tp) + acked;

	if (losses > 0)
		cwnd = max((__s32)(cwnd - losses), 1);
	if (now == TCP_CA_Recovery && before != TCP_CA_Recovery) {
		bbr->packet_conservation = 1;
		bbr->next_rtt_delivered = tp->delivered;
		cwnd = conserved;
	} else if (before >= TCP_CA_Recovery && now < TCP_CA_Recovery) {
		cwnd = max(cwnd, bbr->prior_cwnd);
		bbr->packet_conservation = 0;
	}
	bbr->prev_ca_state = now;
	*window = bbr->packet_conservation ? max(cwnd, conserved) : cwnd;
	return bbr->packet_conservation;
}

static __always_inline void bbr_set_cwnd(struct sock *sk, const struct rate_sample *rs, __u32 bw, __u32 gain)
{
	struct bbr *bbr = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);
	__u32 acked = rs->acked_sacked, cwnd = tp->snd_cwnd, target;

	if (acked && !bbr_recover(sk, rs->losses, acked, &cwnd)) {
		target = bbr_quantize(sk, bbr_bdp(bbr, bw, gain) + bbr_ack_aggregation_cwnd(bbr));
		if (bbr->full_bw_reached)
			cwnd = min(cwnd + acked, target);
		else if (cwnd < target || tp->delivered < TCP_INIT_CWND)
			cwnd += acked;
		cwnd = max(cwnd, CWND_MIN);
	}
	cwnd = min(cwnd, tp->snd_cwnd_clamp);
	if (bbr->mode == PROBE_RTT)
		cwnd = min(cwnd, CWND_MIN);
	tp->snd_cwnd = cwnd;
}

/* Sending begins again after the sender had nothing to send: at the path's rate, without a burst. */
static __always_inline void bbr_wake(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);
	const struct tcp_sock *tp = tcp_sk(sk);

	if (!tp->app_limited)
		return;
	bbr->idle_restart = 1;
	bbr->ack_epoch_mstamp = tp->tcp_mstamp;
	bbr->ack_epoch_acked = 0;
	if (bbr->mode == PROBE_BW)
		bbr_set_pacing_rate(sk, bbr_bw(bbr), UNIT);
	else if (bbr->mode == PROBE_RTT)
		bbr_check_probe_rtt_done(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_bbr_init, struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);
	struct tcp_sock *tp = tcp_sk(sk);

	bbr->prior_cwnd = 0;
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	bbr->rtt_cnt = 0;
	bbr->next_rtt_delivered = tp->delivered;
	bbr->prev_ca_state = TCP_CA_Open;
	bbr->packet_conservation = 0;
	bbr->probe_rtt_done_stamp = 0;
	bbr->probe_rtt_round_done = 0;
	bbr->min_rtt_us = tp->rtt_min.s[0].v;
	bbr->min_rtt_stamp = tcp_jiffies32();
	window_reset(&bbr->bw, 0, 0);
	bbr->has_seen_rtt = 0;
	bbr_init_pacing_rate(sk);
	bbr->round_start = 0;
	bbr->idle_restart = 0;
	bbr->full_bw_reached = 0;
	bbr->full_bw = 0;
	bbr->full_bw_cnt = 0;
	bbr->cycle_mstamp = 0;
	bbr->cycle_idx = 0;
	bbr_lt_reset(sk);
	bbr->mode = STARTUP;
	bbr->pacing_gain = 0;
	bbr->cwnd_gain = 0;
	bbr->ack_epoch_mstamp = tp->tcp_mstamp;
	bbr->ack_epoch_acked = 0;
	bbr->extra_acked_win_rtts = 0;
	bbr->extra_acked_is_odd = 0;
	bbr->extra_acked_even = 0;
	bbr->extra_acked_odd = 0;
	tcp_need_pacing(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_bbr_cwnd_event, struct sock *sk, int ev)
{
	if (ev == CA_EVENT_TX_START)
		bbr_wake(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_bbr_cwnd_event_tx_start, struct sock *sk)
{
	bbr_wake(sk);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_bbr_min_tso_segs, struct sock *sk)
{
	return bbr_min_segs(sk);
}

SEC("struct_ops")
void BPF_PROG(bpf_bbr_cong_control, struct sock *sk, __u32 ack, int flag, const struct rate_sample *rs)
{
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 bw;

	bbr_update_bw(sk, rs);
	bbr_update_ack_aggregation(sk, rs);
	if (bbr->mode == PROBE_BW && bbr_is_phase_over(sk, rs))
		bbr_next_phase(sk);
	bbr_check_full_bw(bbr, rs);
	bbr_check_drain(sk);
	bbr_update_min_rtt(sk, rs);
	bbr_update_gains(bbr);

	bw = bbr_bw(bbr);
	bbr_set_pacing_rate(sk, bw, bbr->pacing_gain);
	bbr_set_cwnd(sk, rs, bw, bbr->cwnd_gain);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_bbr_ssthresh, struct sock *sk)
{
	bbr_save_cwnd(sk);
	return tcp_sk(sk)->snd_ssthresh;
}

SEC("struct_ops")
void BPF_PROG(bpf_bbr_set_state, struct sock *sk, __u8 new_state)
{
	struct bbr *bbr = inet_csk_ca(sk);

	if (new_state != TCP_CA_Loss)
		return;
	bbr->prev_ca_state = TCP_CA_Loss;
	bbr->full_bw = 0;
	bbr->round_start = 1; /* a timeout ends a round */
	bbr_lt_sample(sk, 1, false);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_bbr_undo_cwnd, struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	/* The losses were none, so the rate that they held down is looked for again. */
	bbr->full_bw = 0;
	bbr->full_bw_cnt = 0;
	bbr_lt_reset(sk);
	return tcp_sk(sk)->snd_cwnd;
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_bbr_sndbuf_expand, struct sock *sk)
{
	return 3; /* windows: it may slow start even in recovery */
}

SEC(".struct_ops.link")
struct tcp_congestion_ops bpf_bbr = {
    .init = (void *)bpf_bbr_init,
    .cwnd_event = (void *)bpf_bbr_cwnd_event,
    .cwnd_event_tx_start = (void *)bpf_bbr_cwnd_event_tx_start,
    .min_tso_segs = (void *)bpf_bbr_min_tso_segs,
    .cong_control = (void *)bpf_bbr_cong_control,
    .ssthresh = (void *)bpf_bbr_ssthresh,
    .set_state = (void *)bpf_bbr_set_state,
    .undo_cwnd = (void *)bpf_bbr_undo_cwnd,
    .sndbuf_expand = (void *)bpf_bbr_sndbuf_expand,
    .name = "bbr",
};
