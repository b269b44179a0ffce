/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which service a packet is for: the maps vips4 and vips6 and looking them up.
 */
#ifndef KXLAB_VIP_BPF_H
#define KXLAB_VIP_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct lb_vip4);
	__type(value, struct lb_vip);
} vips4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
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
