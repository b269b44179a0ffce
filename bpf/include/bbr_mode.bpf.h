/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The modes Startup, Drain and ProbeBW: their transitions, and the gains of all modes.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_MODE_BPF_H
#define KXLAB_BBR_MODE_BPF_H

#include "bbr_cwnd.bpf.h"
#include "bbr_model.bpf.h"

/* Phases of the gain cycle, and how many of them may be the first. */
#define CYCLE_LEN  8
#define CYCLE_RAND 7

/* The pipe is full after FULL_BW_CNT rounds in which the rate grew by less than a quarter. */
#define FULL_BW_THRESH (UNIT * 5 / 4)
#define FULL_BW_CNT    3

/* Starts the next phase of the gain cycle. */
static __always_inline void bbr_next_phase(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->cycle_idx = (bbr->cycle_idx + 1) & (CYCLE_LEN - 1);
	bbr->cycle_mstamp = tcp_sk(sk)->delivered_mstamp;
}

/* Enters ProbeBW in a random phase except the draining one (3/4). */
static __always_inline void bbr_begin_probe_bw(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	bbr->mode = PROBE_BW;
	bbr->cycle_idx = CYCLE_LEN - 1 - bpf_get_prandom_u32() % CYCLE_RAND;
	bbr_next_phase(sk);
}

/*
 * Reports whether the phase of the gain cycle is over. A phase lasts one minimum RTT. The probing phase lasts longer,
 * until a packet is lost or the data in flight reach the target of its gain. The draining phase ends earlier if the
 * queue is empty.
 */
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

/* Decides whether Startup has filled the pipe. */
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

/* Enters Drain when the pipe is full, and ProbeBW when the queue is empty. */
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

/* Sets the gains of the mode. A policer's rate is not probed. */
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

#endif
