/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The real servers by index: the map reals.
 */
#ifndef KXLAB_REAL_BPF_H
#define KXLAB_REAL_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_MAX_REALS);
	__type(key, __u32);
	__type(value, struct lb_real);
} reals SEC(".maps");

/* The real at this index, whether up or down, or NULL. */
static __always_inline struct lb_real *real_get(__u32 index)
{
	return bpf_map_lookup_elem(&reals, &index);
}

#endif
