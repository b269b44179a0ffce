/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tcx ingress hook behind the names that code for several hooks uses. Its twin is hook_xdp.bpf.h, where the names
 * are explained.
 */
#ifndef KXLAB_HOOK_BPF_H
#define KXLAB_HOOK_BPF_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

typedef struct __sk_buff hook_ctx;

#define HOOK_PASS TCX_NEXT_ACT
#define HOOK_DROP TCX_DROP_ACT

/* The verdicts of tcx (enum tcx_action_base), which older uapi headers lack. */
#define TCX_NEXT_ACT -1
#define TCX_DROP_ACT 2

/* The longest headers that are looked at: Ethernet, IPv6, ICMPv6, IPv6, 8 bytes. */
#define HOOK_HEADERS 110

static __always_inline void *hook_data(hook_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *hook_end(hook_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline __u32 hook_len(hook_ctx *ctx)
{
	return ctx->len;
}

/* Headers may lie outside the linear part. Failure shows as a truncated packet. */
static __always_inline void hook_pull(hook_ctx *ctx)
{
	__u32 want = ctx->len < HOOK_HEADERS ? ctx->len : HOOK_HEADERS;

	if (ctx->data + want > ctx->data_end)
		bpf_skb_pull_data(ctx, want);
}

static __always_inline int hook_grow(hook_ctx *ctx, __u32 n, int outer, int inner)
{
	__u64 flags = outer == 6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;

	return bpf_skb_adjust_room(ctx, (int)n, BPF_ADJ_ROOM_MAC, flags);
}

static __always_inline int hook_trim(hook_ctx *ctx, __u32 n)
{
	return bpf_skb_change_tail(ctx, n, 0);
}

static __always_inline int hook_send(hook_ctx *ctx, __u32 ifindex)
{
	return bpf_redirect(ifindex, 0);
}

#endif
