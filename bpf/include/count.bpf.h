/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs that count packets by their EtherType share this. They differ only in the map that holds the counters.
 */
#ifndef KXLAB_COUNT_BPF_H
#define KXLAB_COUNT_BPF_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* A map of counters. Its kinds are those of BPF_MAP_TYPE_. */
#define COUNTERS(kind)                                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_##kind);                                                                     \
		__uint(max_entries, 256);                                                                              \
		__type(key, __u32);                                                                                    \
		__type(value, __u64);                                                                                  \
	} packets SEC(".maps")

/* The counter of a packet: the low byte of its type. False: the packet has no Ethernet header. */
static __always_inline bool count_key(struct xdp_md *ctx, __u32 *key)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return false;
	*key = bpf_ntohs(eth->h_proto) & 0xff;
	return true;
}

#endif
