/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cache of IPv4 services in front of the map vips4, an array for each CPU: a lookup in it is arithmetic and one cache line, where the
 * hash table takes several functions.
 *
 * An entry holds until vips_epoch changes, which the control plane raises after each change of vips4. The epoch is read before the hash table:
 * an entry made while a service changes carries the old epoch, and the next packet of that service looks it up again. Services that
 * are not there have no entries. On one CPU the hooks here do not interrupt each other, so nothing tears an entry.
 *
 * Known weakness: traffic that goes round among more services than the cache has room for pays for it and finds nothing.
 */
#ifndef KXLAB_VIPCACHE_BPF_H
#define KXLAB_VIPCACHE_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"
#include "vip.bpf.h"

#define VIP_CACHE_SHIFT 54 /* leaves an index below LB_VIP_CACHE */

/* A service that was looked up. Key 0: none. */
struct vip_cached {
	__u64 key; /* struct lb_vip4 */
	__u64 epoch; /* vips_epoch when it was looked up */
	struct lb_vip vip;
};

/* Raised by the control plane after each change of vips4. */
__u64 vips_epoch;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* page-aligned: two entries lie in one cache line */
	__uint(max_entries, LB_VIP_CACHE); /* times the CPUs, set by Go */
	__type(key, __u32);
	__type(value, struct vip_cached);
} vip_cache SEC(".maps");

/* Looks the service up in the hash table and puts it into the cache. A function of its own: few packets come here. */
static __noinline struct vip_cached *vip4_fill(struct vip_cached *c, __u64 key)
{
	__u64 epoch = *(volatile __u64 *)&vips_epoch;
	struct lb_vip4 k = {.addr = key, .port = key >> 32, .proto = key >> 48};
	struct lb_vip *vip;

	/* A full barrier, for CPUs that would read the hash table before the epoch: the entry is void meanwhile. */
	c->key = 0;
	__sync_fetch_and_add(&c->key, 0);
	vip = bpf_map_lookup_elem(&vips4, &k);
	if (!vip)
		return NULL;
	c->epoch = epoch;
	c->vip = *vip;
	c->key = key;
	return c;
}

/* As vip4_find, from the cache. */
static __always_inline const struct lb_vip *vip4_cached(__be32 addr, __be16 port, __u8 proto)
{
	__u64 key = addr | (__u64)port << 32 | (__u64)proto << 48;
	__u32 at = (key * 0x9fb21c651e98df25ULL >> VIP_CACHE_SHIFT) + bpf_get_smp_processor_id() * LB_VIP_CACHE;
	struct vip_cached *c = bpf_map_lookup_elem(&vip_cache, &at);

	if (!c)
		return vip4_find(addr, port, proto); /* the map is smaller than it should be */
	if (c->key != key || c->epoch != *(volatile __u64 *)&vips_epoch) {
		c = vip4_fill(c, key);
		if (!c)
			return NULL;
	}
	return &c->vip;
}

#endif
