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
 * This file has the knobs, the state and the operations that the kernel calls; begin reading at cong_control. Each concern
 * has a header, bpf/include/bbr_*.bpf.h: model, pacing, aggregation, cwnd, mode, probe_rtt and policer.
 */
#include "tcp.bpf.h"
#include "window.bpf.h"

char _license[] SEC("license") = "GPL";

/* Gains are in 1/256. */
#define UNIT 256

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

/* These use the knobs and the state above. */
#include "bbr_model.bpf.h"
#include "bbr_pacing.bpf.h"
#include "bbr_aggregation.bpf.h"
#include "bbr_cwnd.bpf.h"
#include "bbr_mode.bpf.h"
#include "bbr_probe_rtt.bpf.h"
#include "bbr_policer.bpf.h"

/* The rate and the rounds. The policer is looked for in between, as it wants the round and may end the use of its rate. */
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
