/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The test whether a flow's entry is still valid: its service is the one with which it began (the map generations), and its real
 * is still a backend of that service (the map removed).
 *
 * An entry with the real alone would stay valid after its service was deleted, or after the real was taken out of the service
 * while another service keeps it. So every service has a unique generation, a new one each time it is added, and entries store
 * it. The pair (service, real) is looked up only for services that ever lost a backend, by a flag of the service; all others pay
 * for the flag only.
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
