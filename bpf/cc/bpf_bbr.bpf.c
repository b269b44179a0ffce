// SPDX-License-Identifier: GPL-2.0
/*
 * bpf-bbr: a port of the kernel's bbr, version 1 (Cardwell, Cheng, Gunn, Yeganeh, Jacobson: "BBR: Congestion-Based
 * Congestion Control", ACM Queue 2016).
 *
 * Policy. Two measurements model the path: the maximum delivery rate of the last ten round trips, and the minimum RTT
 * of the last ten seconds. Their product, the bandwidth-delay product (BDP), is the amount of data that the path holds
 * without a queue. BBR paces packets at the rate times a gain. The window is twice the BDP and serves only as a
 * safeguard.
 *  - Startup doubles the rate every round trip until the rate stops growing.
 *  - Drain empties the queue that Startup built.
 *  - ProbeBW cycles the gain (5/4, 3/4, then 1 six times) to search for more bandwidth.
 *  - ProbeRTT cuts the window to four packets for 200 ms once the minimum RTT is older than ten seconds.
 *
 * BBR does not treat a loss as congestion. There is one exception: if a fifth of the packets is lost while the delivery
 * rate is steady, BBR assumes a policer and limits itself to the policer's rate.
 *
 * Good for: long paths with random loss, and paths with large buffers, because BBR does not fill them.
 *
 * Known weakness: in small buffers BBR loses many packets and takes more than its share from Reno and CUBIC. Several
 * BBR flows overestimate the rate together, and only their windows limit them. Flows with a long RTT take more than
 * their share.
 *
 * Deviations from the kernel's bbr (tcp_bbr.c):
 *  1. There is no get_info, because struct_ops does not support it. ss does not show the model.
 *  2. Pacing is requested by a plain write. The kernel uses cmpxchg; here the socket is locked.
 *  3. The maximum burst assumes a MAX_TCP_HEADER of 320 bytes, as in a usual x86-64 build.
 *  4. The first phase of a gain cycle is drawn from BPF's random numbers. The kernel draws from another generator.
 *
 * This file holds the knobs, the state and the operations; begin reading at cong_control. Each concern has a header,
 * bpf/include/bbr_*.bpf.h: model, pacing, aggregation, cwnd, mode, probe_rtt and policer.
 */
#include "tcp.bpf.h"
#include "window.bpf.h"

char _license[] SEC("license") = "GPL";

/* The unit of gains: 256 is a gain of 1. */
#define UNIT 256

/* Startup's gain is 2 / ln 2, the smallest that doubles the rate every round trip. Drain's gain is the inverse. */
const volatile __u32 high_gain = UNIT * 2885 / 1000 + 1;
const volatile __u32 drain_gain = UNIT * 1000 / 2885;
/* The window as a multiple of the BDP. The excess over 1 leaves room for delayed and stretched ACKs. */
const volatile __u32 cwnd_gain = 2 * UNIT;
/* The share of the measured rate that pacing leaves unused, percent. */
const volatile __u32 pacing_margin_percent = 1;
/* The windows of the two filters: delivery rate in round trips, RTT in seconds. */
const volatile __u32 bw_rtts = 10;
const volatile __u32 min_rtt_win_sec = 10;
/* How long ProbeRTT keeps the minimum window, ms. 0 disables ProbeRTT. */
const volatile __u32 probe_rtt_mode_ms = 200;

enum mode { STARTUP, DRAIN, PROBE_BW, PROBE_RTT };

/* The state fills icsk_ca_priv to the last byte. Time stamps are in us except where a comment says otherwise. */
struct bbr {
	__u64 cycle_mstamp; /* start of the phase of the gain cycle */
	__u64 ack_epoch_mstamp; /* start of the aggregation epoch */
	struct window bw; /* maximum filter of the delivery rate, over rounds */
	__u32 min_rtt_us;
	__u32 min_rtt_stamp; /* jiffies */
	__u32 probe_rtt_done_stamp; /* jiffies; 0: the data in flight are still above the minimum window */
	__u32 rtt_cnt; /* rounds since the start of the flow */
	__u32 next_rtt_delivered; /* the value of delivered that ends the round */
	__u32 lt_bw; /* the rate of the last interval, or of the policer */
	__u32 lt_last_delivered; /* this and the next two: values at the start of the interval */
	__u32 lt_last_stamp; /* ms */
	__u32 lt_last_lost;
	__u32 prior_cwnd; /* the window before recovery or ProbeRTT */
	__u32 full_bw; /* full-pipe check: a round must reach 5/4 of this rate */
	__u32 ack_epoch_acked;
	__u16 pacing_gain;
	__u16 cwnd_gain;
	__u16 extra_acked_even; /* this and the next: the current filter window and the previous one */
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

_Static_assert(sizeof(struct bbr) <= 13 * sizeof(__u64), "struct bbr is larger than icsk_ca_priv");

/* These headers use the knobs and the state above. */
#include "bbr_model.bpf.h"
#include "bbr_pacing.bpf.h"
#include "bbr_aggregation.bpf.h"
#include "bbr_cwnd.bpf.h"
#include "bbr_mode.bpf.h"
#include "bbr_probe_rtt.bpf.h"
#include "bbr_policer.bpf.h"

/* Updates the round, the policer's samples and the delivery rate, in this order: the policer reads round_start. */
static __always_inline void bbr_update_bw(struct sock *sk, const struct rate_sample *rs)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	struct bbr *bbr = inet_csk_ca(sk);
	__s32 delivered = rs->delivered;
	__s64 interval_us = rs->interval_us;

	bbr->round_start = 0;
	if (delivered < 0 || interval_us <= 0)
		return;
	bbr_update_round(bbr, tp, rs);
	bbr_lt_sample(sk, rs->losses, rs->is_app_limited);
	bbr_filter_bw(bbr, delivered, interval_us, rs);
}

/* Restarts after the application left the sender idle: the flow is paced at the path's rate and sends no burst. */
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
	bbr->round_start = 1; /* a timeout ends the round */
	bbr_lt_sample(sk, 1, false);
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_bbr_undo_cwnd, struct sock *sk)
{
	struct bbr *bbr = inet_csk_ca(sk);

	/* The losses were spurious: restart the detection of a full pipe and of a policer. */
	bbr->full_bw = 0;
	bbr->full_bw_cnt = 0;
	bbr_lt_reset(sk);
	return tcp_sk(sk)->snd_cwnd;
}

SEC("struct_ops")
__u32 BPF_PROG(bpf_bbr_sndbuf_expand, struct sock *sk)
{
	return 3; /* send buffer, in windows: BBR may grow as in slow start even in recovery */
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
