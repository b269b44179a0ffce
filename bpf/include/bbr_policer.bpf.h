/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Detection of a policer: long-term (lt_) samples of rate and loss, and the rate that BBR keeps to behind a policer.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_POLICER_BPF_H
#define KXLAB_BBR_POLICER_BPF_H

#include "bbr_mode.bpf.h"
#include "bbr_pacing.bpf.h"

/* The shortest interval, rounds; the longest is four times as long. */
#define LT_INTVL_MIN_RTTS 4
/* The smallest share of lost packets, 1/256. */
#define LT_LOSS_THRESH 50
/* Rates of two intervals are equal within 1/8, or within 4 kbit/s (in bytes per second). */
#define LT_BW_RATIO (UNIT / 8)
#define LT_BW_DIFF  (4000 / 8)
/* How long BBR keeps to the policer's rate, rounds. */
#define LT_BW_MAX_RTTS 48

/* Starts a new interval. */
static __always_inline void bbr_lt_next_interval(struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->lt_last_stamp = tp->delivered_mstamp / USEC_PER_MSEC;
	bbr->lt_last_delivered = tp->delivered;
	bbr->lt_last_lost = tp->lost;
	bbr->lt_rtt_cnt = 0;
}

/* Forgets the policer and the intervals. */
static __always_inline void bbr_lt_reset(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->lt_bw = 0;
	bbr->lt_use_bw = 0;
	bbr->lt_is_sampling = 0;
	bbr_lt_next_interval(sk);
}

/* Ends an interval at this rate. Two successive intervals of about equal rate indicate a policer. */
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

/*
 * Samples for a policer. An interval runs from loss to loss, because a policer that drops has no tokens left: its rate
 * between two such moments is its token rate.
 */
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

#endif
