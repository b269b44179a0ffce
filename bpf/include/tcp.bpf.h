/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interface between a congestion control and the kernel's TCP: structs with the fields in use, which the loader
 * relocates (CO-RE), kfuncs, and helpers that most congestion controls need.
 *
 * The first member of tcp_sock is an inet_connection_sock, whose first member is an inet_sock, and so on down to sock,
 * so one pointer serves as all of them. A congestion control may write sk_pacing_rate, sk_pacing_status, icsk_ca_priv,
 * icsk_ack.pending, snd_cwnd, snd_cwnd_cnt, snd_cwnd_stamp, snd_ssthresh, ecn_flags and app_limited. The verifier
 * rejects writes to other fields.
 */
#ifndef KXLAB_TCP_BPF_H
#define KXLAB_TCP_BPF_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common {
	unsigned char skc_state;
};

struct sock {
	struct sock_common __sk_common;
	__u32 sk_pacing_status; /* enum sk_pacing */
	unsigned long sk_pacing_rate; /* bytes per second */
	unsigned long sk_max_pacing_rate;
	unsigned int sk_gso_max_size; /* bytes */
	__u8 sk_pacing_shift;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u8 icsk_ca_state : 5; /* enum tcp_ca_state */
	struct {
		__u8 pending; /* enum inet_csk_ack_state_t */
	} icsk_ack;
	__u64 icsk_ca_priv[13]; /* private state of the congestion control */
};

struct minmax_sample {
	__u32 t;
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 mss_cache; /* bytes */
	__u32 snd_cwnd; /* packets; so are all windows and counts below */
	__u32 snd_cwnd_cnt;
	__u32 snd_cwnd_clamp;
	__u32 snd_ssthresh;
	__u8 is_cwnd_limited : 1;
	__u32 max_packets_out;
	__u32 packets_out;
	__u32 retrans_out;
	__u32 sacked_out;
	__u32 lost_out;
	__u32 lost; /* since the connection began; so are the next two */
	__u32 delivered;
	__u32 delivered_ce;
	__u64 delivered_mstamp; /* us */
	__u64 tcp_mstamp; /* us; time of the segment being processed */
	__u64 tcp_clock_cache; /* ns */
	__u64 tcp_wstamp_ns; /* ns; earliest departure of the next segment */
	__u32 lsndtime; /* jiffies; time of the last segment sent */
	__u32 srtt_us; /* smoothed RTT, 1/8 us */
	struct minmax rtt_min;
	__u32 app_limited;
	__u32 rcv_nxt;
	__u32 snd_nxt;
	__u32 snd_una;
	__u8 ecn_flags;
};

/* The argument of pkts_acked. */
struct ack_sample {
	__u32 pkts_acked;
	__s32 rtt_us; /* negative: no sample */
	__u32 in_flight;
};

/* The argument of cong_control. */
struct rate_sample {
	__u32 prior_delivered; /* tcp_sock.delivered when the newest acknowledged packet was sent */
	__s32 delivered; /* packets delivered in the interval; negative: no sample */
	long interval_us;
	long rtt_us; /* negative: no sample */
	int losses; /* packets marked lost by this ACK */
	__u32 acked_sacked; /* packets newly acknowledged, SACK included */
	__u32 prior_in_flight;
	bool is_app_limited;
	bool is_ack_delayed;
};

#pragma clang attribute pop

/*
 * The operations in use. If the running kernel lacks a member that is dispensable, the control plane drops the member
 * and its program. The only such member is cwnd_event_tx_start, which replaces the event CA_EVENT_TX_START of
 * cwnd_event since 7.1.
 */
struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*set_state)(struct sock *sk, __u8 new_state);
	void (*cwnd_event)(struct sock *sk, int ev);
	void (*cwnd_event_tx_start)(struct sock *sk);
	void (*in_ack_event)(struct sock *sk, __u32 flags);
	void (*pkts_acked)(struct sock *sk, const struct ack_sample *sample);
	__u32 (*min_tso_segs)(struct sock *sk);
	/* This signature is that of 6.10 and newer; older kernels pass (sk, rs). */
	void (*cong_control)(struct sock *sk, __u32 ack, int flag, const struct rate_sample *rs);
	__u32 (*undo_cwnd)(struct sock *sk);
	__u32 (*sndbuf_expand)(struct sock *sk);
	void (*init)(struct sock *sk);
	void (*release)(struct sock *sk);
	__u32 flags;
	char name[16];
};

/* Flags of the operations. */
#define TCP_CONG_NEEDS_ECN 0x2

enum tcp_ca_state { TCP_CA_Open, TCP_CA_Disorder, TCP_CA_CWR, TCP_CA_Recovery, TCP_CA_Loss };

enum tcp_ca_event {
	CA_EVENT_TX_START,
	CA_EVENT_CWND_RESTART,
	CA_EVENT_COMPLETE_CWR,
	CA_EVENT_LOSS,
	CA_EVENT_ECN_NO_CE,
	CA_EVENT_ECN_IS_CE,
};

enum sk_pacing { SK_PACING_NONE, SK_PACING_NEEDED, SK_PACING_FQ };

#define TCP_INFINITE_SSTHRESH 0x7fffffff
#define TCP_INIT_CWND	      10

/* States of a socket. */
#define TCP_CLOSE     7
#define TCP_LISTEN    10

#define USEC_PER_MSEC 1000UL
#define USEC_PER_SEC  1000000UL

#define min(a, b)     ((a) < (b) ? (a) : (b))
#define max(a, b)     ((a) > (b) ? (a) : (b))

/* Grows the window by acked packets up to the threshold. Returns the rest of acked. */
extern __u32 tcp_slow_start(struct tcp_sock *tp, __u32 acked) __ksym;
/* Grows the window by one packet for every w packets acknowledged. */
extern void tcp_cong_avoid_ai(struct tcp_sock *tp, __u32 w, __u32 acked) __ksym;
/* Returns the larger of the current window and the window before the loss. */
extern __u32 tcp_reno_undo_cwnd(struct sock *sk) __ksym;

/* Ticks a second of the running kernel. The control plane sets it. */
const volatile __u32 kernel_hz = 250;

static __always_inline struct inet_connection_sock *inet_csk(const struct sock *sk)
{
	return (struct inet_connection_sock *)sk;
}

/* Returns the private state of the congestion control. */
static __always_inline void *inet_csk_ca(const struct sock *sk)
{
	return (void *)inet_csk(sk)->icsk_ca_priv;
}

static __always_inline struct tcp_sock *tcp_sk(const struct sock *sk)
{
	return (struct tcp_sock *)sk;
}

static __always_inline __u8 tcp_ca_state_of(const struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD(inet_csk(sk), icsk_ca_state);
}

/* Reports whether sequence number, tick or count a precedes b. The comparison handles wrap-around. */
static __always_inline bool before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline bool after(__u32 a, __u32 b)
{
	return before(b, a);
}

static __always_inline __u32 tcp_jiffies32(void)
{
	return (__u32)bpf_jiffies64();
}

/* Converts microseconds to ticks, rounded up. */
static __always_inline __u32 usecs_to_jiffies(__u32 us)
{
	return ((__u64)us * kernel_hz + USEC_PER_SEC - 1) / USEC_PER_SEC;
}

static __always_inline bool tcp_in_slow_start(const struct tcp_sock *tp)
{
	return tp->snd_cwnd < tp->snd_ssthresh;
}

/* Reports whether the window limits the sender. In slow start, use of more than half of the window suffices. */
static __always_inline bool tcp_is_cwnd_limited(const struct tcp_sock *tp)
{
	if (BPF_CORE_READ_BITFIELD(tp, is_cwnd_limited))
		return true;
	return tcp_in_slow_start(tp) && tp->snd_cwnd < 2 * tp->max_packets_out;
}

/* Returns the packets in flight: outstanding, without SACKed and lost ones, with retransmitted ones. */
static __always_inline __u32 tcp_packets_in_flight(const struct tcp_sock *tp)
{
	return tp->packets_out - (tp->sacked_out + tp->lost_out) + tp->retrans_out;
}

/* Requests pacing by TCP unless an fq qdisc already paces the socket. */
static __always_inline void tcp_need_pacing(struct sock *sk)
{
	if (sk->sk_pacing_status == SK_PACING_NONE)
		sk->sk_pacing_status = SK_PACING_NEEDED;
}

/* Grows the window as Reno does (RFC 5681): by the packets acknowledged in slow start, then by one packet a window. */
static __always_inline void tcp_grow_like_reno(struct sock *sk, __u32 acked)
{
	struct tcp_sock *tp = tcp_sk(sk);

	if (!tcp_is_cwnd_limited(tp))
		return;
	if (tcp_in_slow_start(tp)) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	tcp_cong_avoid_ai(tp, tp->snd_cwnd, acked);
}

#endif
