/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets and bytes of every service and of every real: the knob counters, the map tallies and the function that counts. They
 * count what the balancer forwards to reals, in bytes of the IP packet as the client sent it: no frame, no padding, no outer
 * header. Go reads the map (control/tally.go).
 *
 * The map is an array with a part for each CPU, as the flow table is: a lookup in it is arithmetic, while a per-CPU array
 * loads a pointer first. Without the knob the map has one element and the verifier removes the code.
 */
#ifndef KXLAB_TALLY_BPF_H
#define KXLAB_TALLY_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

/* 1: count packets and bytes of every service and real. */
const volatile __u32 counters = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* page-aligned: four tallies lie in one cache line, and CPUs share none */
	__uint(max_entries, 1); /* LB_TALLIES times the CPUs with the knob, set by Go */
	__type(key, __u32);
	__type(value, struct lb_tally);
} tallies SEC(".maps");

static __always_inline void tally_add(__u32 key, __u32 bytes)
{
	struct lb_tally *t = bpf_map_lookup_elem(&tallies, &key);

	if (t) {
		t->packets++;
		t->bytes += bytes;
	}
}

/* Count a packet to a real, for the service of this generation. No atomics: as in stats.bpf.h. */
static __always_inline void tally_count(__u32 generation, __u32 real, __u32 bytes)
{
	__u32 first;

	if (!counters)
		return;
	first = bpf_get_smp_processor_id() * LB_TALLIES;
	tally_add(first + (generation & (LB_GENERATIONS - 1)), bytes);
	tally_add(first + LB_GENERATIONS + real, bytes);
}

#endif
