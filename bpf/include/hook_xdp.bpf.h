/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The XDP hook behind the names that code for several hooks uses: where the packet is, how it grows and shrinks, and
 * the verdicts. Its twin is hook_tc.bpf.h; a program includes one of them before anything that moves packets.
 */
#ifndef KXLAB_HOOK_BPF_H
#define KXLAB_HOOK_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef struct xdp_md hook_ctx;

#define HOOK_PASS XDP_PASS
#define HOOK_DROP XDP_DROP

static __always_inline void *hook_data(hook_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *hook_end(hook_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Bytes of the frame. */
static __always_inline __u32 hook_len(hook_ctx *ctx)
{
	return ctx->data_end - ctx->data;
}

/* Make the headers readable through data and end. They always are. */
static __always_inline void hook_pull(hook_ctx *ctx)
{
}

/*
 * Make room of n bytes in front of the IP header; the Ethernet header then is undefined. outer and inner say which
 * IP family the packet will have, and which it has. Pointers into the packet are void afterwards.
 */
static __always_inline int hook_grow(hook_ctx *ctx, __u32 n, int outer, int inner)
{
	return bpf_xdp_adjust_head(ctx, -(int)n);
}

/* Cut the frame off after n bytes. */
static __always_inline int hook_trim(hook_ctx *ctx, __u32 n)
{
	return bpf_xdp_adjust_tail(ctx, (int)n - (int)hook_len(ctx));
}

/* Send the frame out of the link it came in by. */
static __always_inline int hook_send(hook_ctx *ctx, __u32 ifindex)
{
	return XDP_TX;
}

#endif
