/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether what a flow remembers still holds: that its service is the one that it began with (the map generations) and
 * that its real is still one of that service's backends (the map removed).
 *
 * A flow that remembered the real alone would outlive its service, and its backend's place in the service if another
 * service keeps that real up. So a service has a generation, which no other service has and which is a new one when it
 * is deleted and added again; flows carry it. The pair (service, real) is looked up only for services that ever lost a
 * backend, which a flag of the service tells: all others pay for the flag alone.
 */
#ifndef KXLAB_MEMBER_BPF_H
#define KXLAB_MEMBER_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LB_REMOVED);
	__type(key, struct lb_removed);
	__type(value, __u32);
} removed SEC(".maps");

/* Was the real taken out of the service of this generation and flags? */
static __always_inline bool member_removed(__u32 generation, __u32 flags, __u32 real)
{
	struct lb_removed key = {.generation = generation, .real = real};

	return (flags & LB_VIP_REMOVED) && bpf_map_lookup_elem(&removed, &key);
}

#endif
