/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of a scheduler. The scheduler declares them as an enum before it includes this header:
 *
 *	enum sched_stat { STAT_SOMETHING, ..., SCHED_STATS };
 *
 * Go takes the names from the type of the map's key: STAT_SOMETHING is reported as "something".
 */
#ifndef KXLAB_SCHEDSTATS_BPF_H
#define KXLAB_SCHEDSTATS_BPF_H

#include "scx.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCHED_STATS);
	__type(key, enum sched_stat);
	__type(value, u64);
} stats SEC(".maps");

/* Count one. Callbacks run with the run queue locked or interrupts off, so one CPU does not interrupt itself here. */
static __always_inline void count(enum sched_stat stat)
{
	u32 key = stat;
	u64 *n = bpf_map_lookup_elem(&stats, &key);

	if (n)
		*n += 1;
}

#endif
