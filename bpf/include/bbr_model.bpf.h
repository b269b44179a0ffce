/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model of the path: the rounds, the filter of the delivery rate, and the BDP.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_MODEL_BPF_H
#define KXLAB_BBR_MODEL_BPF_H

#include "tcp.bpf.h"
#include "window.bpf.h"

/* The unit of rates: 2^24 is one packet per us. */
#define BW_SHIFT 24
#define BW_UNIT	 (1ULL << BW_SHIFT)

/* Returns the maximum delivery rate of the last bw_rtts rounds. */
static __always_inline __u32 bbr_max_bw(const struct bbr *bbr)
{
	return bbr->bw.s[0].v;
}

/* Returns the rate of the model: the policer's where there is one, else the maximum. */
static __always_inline __u32 bbr_bw(const struct bbr *bbr)
{
	return bbr->lt_use_bw ? bbr->lt_bw : bbr_max_bw(bbr);
}

/* Returns the BDP times the gain, packets, rounded up. */
static __always_inline __u32 bbr_bdp(const struct bbr *bbr, __u32 bw, __u32 gain)
{
	__u64 w;

	if (bbr->min_rtt_us == ~0U)
		return TCP_INIT_CWND; /* no RTT sample yet, for example after timeouts only */
	w = (__u64)bw * bbr->min_rtt_us;
	return (w * gain / UNIT + BW_UNIT - 1) >> BW_SHIFT;
}

/* Starts a round if the acknowledged packet was sent after the current round started. */
static __always_inline void bbr_update_round(struct bbr *bbr, const struct tcp_sock *tp, const struct rate_sample *rs)
{
	if (before(rs->prior_delivered, bbr->next_rtt_delivered))
		return;
	bbr->next_rtt_delivered = tp->delivered;
	bbr->rtt_cnt++;
	bbr->round_start = 1;
	bbr->packet_conservation = 0;
}

/*
 * Adds the delivery rate of the sample to the filter. An application-limited sample is only a lower bound of the path's
 * rate, so the filter takes it only if it reaches the maximum.
 */
static __always_inline void bbr_filter_bw(struct bbr *bbr, __s32 delivered, __s64 interval_us,
					  const struct rate_sample *rs)
{
	__u64 bw = (__u64)delivered * BW_UNIT / (__u64)interval_us;

	if (!rs->is_app_limited || bw >= bbr_max_bw(bbr))
		window_max(&bbr->bw, bw_rtts, bbr->rtt_cnt, bw);
}

#endif
