/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The congestion window: its target, its value in and outside recovery, and the data in flight.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_CWND_BPF_H
#define KXLAB_BBR_CWND_BPF_H

#include "bbr_aggregation.bpf.h"
#include "bbr_model.bpf.h"
#include "bbr_pacing.bpf.h"

/* The minimum window, packets; ProbeRTT uses it too. */
#define CWND_MIN 4U

/*
 * Adds three bursts, for the offloads of both hosts, and rounds up to an even number, for delayed ACKs. In the probing
 * phase two packets more make sure that the data in flight exceed the BDP even if the BDP is small.
 */
static __always_inline __u32 bbr_quantize(const struct sock *sk, __u32 cwnd)
{
	const struct bbr *bbr = inet_csk_ca(sk);

	cwnd = (cwnd + 3 * bbr_burst(sk) + 1) & ~1U;
	if (bbr->mode == PROBE_BW && bbr->cycle_idx == 0)
		cwnd += 2;
	return cwnd;
}

/* Returns the target of data in flight for this rate and gain, packets. */
static __always_inline __u32 bbr_inflight(const struct sock *sk, __u32 bw, __u32 gain)
{
	return bbr_quantize(sk, bbr_bdp(inet_csk_ca(sk), bw, gain));
}

/*
 * Estimates the packets in the network when the next packet departs. Packets that pacing holds back count as in flight,
 * so the packets delivered until then are subtracted.
 */
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

/* Saves the window for the end of recovery or ProbeRTT. */
static __always_inline void bbr_save_cwnd(struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 cwnd = tcp_sk(sk)->snd_cwnd;

	if (bbr->prev_ca_state < TCP_CA_Recovery && bbr->mode != PROBE_RTT)
		bbr->prior_cwnd = cwnd;
	else /* the window is already reduced */
		bbr->prior_cwnd = max(bbr->prior_cwnd, cwnd);
}

/*
 * Applies losses and recovery to *window. In the first round of recovery, packet conservation sends one packet for each
 * packet delivered. In later rounds the window grows to its target again. The end of recovery restores the saved
 * window. Returns true during packet conservation, when the caller must use *window as it is.
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

/* Moves the window to its target. The window grows by at most the packets acknowledged. */
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

#endif
