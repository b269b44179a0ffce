/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The minimum RTT, and ProbeRTT, the mode that measures it again.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_PROBE_RTT_BPF_H
#define KXLAB_BBR_PROBE_RTT_BPF_H

#include "bbr_cwnd.bpf.h"
#include "bbr_mode.bpf.h"

/* Leaves ProbeRTT when its time is over, and restores the window. */
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

/*
 * Updates the minimum RTT. Enters ProbeRTT when the minimum has expired, unless the sender was just idle. ProbeRTT
 * lasts for probe_rtt_mode_ms and for at least a round, counted from when the data in flight fit into the minimum
 * window.
 */
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

		/* Mark the samples as application-limited: the window limits their rates, not the path. */
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

#endif
