/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The service of a packet: the maps vips4 and vips6 and their lookup.
 *
 * The maps have room for four times the intended services, so that few services share a bucket: the CPU cannot predict whether a
 * bucket's first entry matches. Elements are allocated on demand, so unused room costs little.
 */
#ifndef KXLAB_VIP_BPF_H
#define KXLAB_VIP_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4 * LB_SERVICES);
	__type(key, struct lb_vip4);
	__type(value, struct lb_vip);
} vips4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4 * LB_SERVICES);
	__type(key, struct lb_vip6);
	__type(value, struct lb_vip);
} vips6 SEC(".maps");

/* The service at addr:port, or NULL. */
static __always_inline struct lb_vip *vip4_find(__be32 addr, __be16 port, __u8 proto)
{
	struct lb_vip4 key = {.addr = addr, .port = port, .proto = proto};

	return bpf_map_lookup_elem(&vips4, &key);
}

static __always_inline struct lb_vip *vip6_find(const __be32 addr[4], __be16 port, __u8 proto)
{
	struct lb_vip6 key = {.addr = {addr[0], addr[1], addr[2], addr[3]}, .port = port, .proto = proto};

	return bpf_map_lookup_elem(&vips6, &key);
}

#endif
