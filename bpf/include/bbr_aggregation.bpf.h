/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ACK aggregation: its estimate, and the packets that the window adds for it.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_AGGREGATION_BPF_H
#define KXLAB_BBR_AGGREGATION_BPF_H

#include "bbr_model.bpf.h"

/* The filter covers 5 to 10 rounds, in two halves. The window grows by at most what the rate sends in 100 ms. */
#define EXTRA_ACKED_WIN_RTTS 5
#define EXTRA_ACKED_MAX_US   100000
#define ACK_EPOCH_MAX	     (1U << 20)

/*
 * Measures by how many packets the ACKs of an epoch exceed the product of rate and time. So many packets more must be
 * in flight while no ACK arrives. An epoch ends when the ACKs fall behind the rate.
 */
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

/* Returns the packets that the window adds for aggregation: none before the pipe is full. */
static __always_inline __u32 bbr_ack_aggregation_cwnd(const struct bbr *bbr)
{
	__u32 most, extra;

	if (!bbr->full_bw_reached)
		return 0;
	most = (__u64)bbr_bw(bbr) * EXTRA_ACKED_MAX_US >> BW_SHIFT;
	extra = max(bbr->extra_acked_even, bbr->extra_acked_odd);
	return min(extra, most);
}

#endif
