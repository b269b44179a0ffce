/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The real of a hash: the map rings, filled by Go, and its lookup.
 */
#ifndef KXLAB_RING_BPF_H
#define KXLAB_RING_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* page-aligned: a line is a cache line */
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct lb_line);
} rings SEC(".maps");

/*
 * The slot (LB_SLOT_*) of the service's ring that the hash falls on, or -1 if the service has no backends. The upper
 * half of the hash is scaled to the ring's size: a multiplication, where a remainder would cost a division.
 */
static __always_inline int ring_slot(const struct lb_vip *vip, __u64 hash, __u32 first)
{
	__u32 slot = ((hash >> 32) * vip->ring_size) >> 32;
	__u32 key = first + slot / LB_SLOTS_PER_LINE;
	struct lb_line *line;

	if (!vip->ring_size)
		return -1;
	line = bpf_map_lookup_elem(&rings, &key);
	if (!line)
		return -1;
	return line->slot[slot % LB_SLOTS_PER_LINE];
}

static __always_inline int ring_find(const struct lb_vip *vip, __u64 hash)
{
	return ring_slot(vip, hash, vip->ring_line);
}

/* The same in the second ring of a service that drains a backend, for new connections. */
static __always_inline int ring_find_new(const struct lb_vip *vip, __u64 hash)
{
	__u32 lines = (vip->ring_size + LB_SLOTS_PER_LINE - 1) / LB_SLOTS_PER_LINE;

	return ring_slot(vip, hash, vip->ring_line + lines);
}

#endif
