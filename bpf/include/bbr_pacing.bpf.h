/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a rate to the socket: the pacing rate and the size of a burst.
 *
 * The header uses struct bbr and the knobs, which bpf_bbr.bpf.c declares above its includes.
 */
#ifndef KXLAB_BBR_PACING_BPF_H
#define KXLAB_BBR_PACING_BPF_H

#include "bbr_model.bpf.h"

/* Below this rate, in bytes per second, a burst may be a single packet. */
#define MIN_TSO_RATE (1200000 / 8)
/* The maximum burst, bytes: GSO_LEGACY_MAX_SIZE - 1 - MAX_TCP_HEADER. */
#define BURST_MAX (65536 - 1 - 320)

/* Converts a rate to bytes per second and applies the gain and the pacing margin. */
static __always_inline __u64 bbr_bytes_per_sec(const struct tcp_sock *tp, __u64 bw, __u32 gain)
{
	bw = bw * tp->mss_cache * gain / UNIT;
	return bw * (USEC_PER_SEC / 100 * (100 - pacing_margin_percent)) >> BW_SHIFT;
}

/* Returns the pacing rate, bytes per second. The limit of SO_MAX_PACING_RATE applies. */
static __always_inline unsigned long bbr_pacing_rate(const struct sock *sk, __u64 bw, __u32 gain)
{
	return min(bbr_bytes_per_sec(tcp_sk(sk), bw, gain), (__u64)sk->sk_max_pacing_rate);
}

/* Sets the rate before the first sample: window over smoothed RTT (1 ms if there is none), times Startup's gain. */
static __always_inline void bbr_init_pacing_rate(struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__u32 rtt_us = USEC_PER_MSEC;

	if (tp->srtt_us) {
		rtt_us = max(tp->srtt_us >> 3, 1U);
		bbr->has_seen_rtt = 1;
	}
	/* The kernel truncates this rate to 32 bits too. */
	sk->sk_pacing_rate = bbr_pacing_rate(sk, (__u32)(tp->snd_cwnd * BW_UNIT / rtt_us), high_gain);
}

/* Sets the pacing rate. Before the pipe is full the rate only grows. */
static __always_inline void bbr_set_pacing_rate(struct sock *sk, __u32 bw, __u32 gain)
{
	unsigned long rate = bbr_pacing_rate(sk, bw, gain);
	struct bbr *bbr = inet_csk_ca(sk);

	if (!bbr->has_seen_rtt && tcp_sk(sk)->srtt_us)
		bbr_init_pacing_rate(sk);
	if (bbr->full_bw_reached || rate > sk->sk_pacing_rate)
		sk->sk_pacing_rate = rate;
}

/* Returns the smallest burst at the current rate, packets. */
static __always_inline __u32 bbr_min_segs(const struct sock *sk)
{
	return sk->sk_pacing_rate < MIN_TSO_RATE ? 1 : 2;
}

/* Returns the size of a burst at the current rate, packets. */
static __always_inline __u32 bbr_burst(const struct sock *sk)
{
	__u64 bytes = min(sk->sk_pacing_rate >> (sk->sk_pacing_shift & 63), (unsigned long)BURST_MAX);
	__u32 segs = max((__u32)bytes / tcp_sk(sk)->mss_cache, bbr_min_segs(sk));

	return min(segs, 0x7fU);
}

#endif
