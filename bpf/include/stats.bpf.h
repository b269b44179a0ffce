/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters of a balancer: the map stats and the function that counts. lb.h defines the counters.
 */
#ifndef KXLAB_STATS_BPF_H
#define KXLAB_STATS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"
#include "parse.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_STATS);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps");

/* Count one. No atomics: the counters are per CPU, and the hooks here do not interrupt each other on one CPU. */
static __always_inline void stat_count(__u32 stat)
{
	__u64 *n = bpf_map_lookup_elem(&stats, &stat);

	if (n)
		*n += 1;
}

/* The counter for what a parser refused; LB_STAT_PASS for what it left to the kernel. */
static __always_inline __u32 stat_of_parsed(enum parsed parsed)
{
	switch (parsed) {
	case PARSED_FRAGMENT:
		return LB_STAT_DROP_FRAGMENT;
	case PARSED_OPTIONS:
		return LB_STAT_DROP_OPTIONS;
	case PARSED_MALFORMED:
		return LB_STAT_DROP_MALFORMED;
	default:
		return LB_STAT_PASS;
	}
}

#endif
