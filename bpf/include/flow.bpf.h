/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The flow table: which real a connection went to. The map flows, its lookup, insertion and ageing, and the flood guard.
 *
 * A flow lives in the one cache line that the low 24 bits of its hash name. A line has 8 entries of 8 bytes; an entry
 * is the other 40 bits of the flow's name, the time of last use, and the real. A lookup touches one line and a free or
 * the longest unused entry of the line is what an insertion takes, so there is neither a list to keep nor a lock.
 *
 * Names. The name of a flow is its hash, with the generation of its service mixed into the 40 bits: when a service is
 * deleted, its flows can no longer be found, also if it is added again. Of a UDP flow the era is mixed in, too: how often
 * the 8 bits of the age have wrapped. So an entry that was last used in an older era is not found, and its age cannot be
 * taken for that of a fresh one. At the beginning of an era, flows of the last one that are not idle are carried over.
 *
 * False hits. The flow itself is not stored. A packet of an unknown flow meets at most 8 entries and matches each with
 * probability 2^-40: once in 1.4 * 10^11 new flows it is sent to the real of another connection, which answers a TCP
 * packet that it does not know with a reset, a UDP packet like any other. A SYN does not look up, so for TCP this needs
 * a flow whose entry was lost.
 *
 * Lost entries. 8 entries a line are no perfect LRU: with as many flows as entries about 14 % of the flows fall on
 * lines that are full (Poisson with mean 8), with half as many 0.8 %. They go by the ring, and as long as the ring does
 * not change they still reach their real.
 *
 * Recent flows. Before the line the map recent is asked, a small table with one entry for a hash: few pages and, for a few thousand
 * flows, the second-level cache. It holds entries of this tick only, so each flow still comes to its line once a tick, where its
 * age is kept. An entry enters when the line was hit, unless its place has another one of this tick; so new flows write nothing here and
 * very many flows little. A shared flow table has none, because another CPU may change the line.
 *
 * Races. Entries are read and written as whole 64-bit words, so none is ever half old and half new. If two CPUs that
 * share a table insert into one line at once, one entry can be lost, which is the case above; if one refreshes what the
 * other replaces, the refresh wins and the same holds. No counter or pointer is at stake.
 */
#ifndef KXLAB_FLOW_BPF_H
#define KXLAB_FLOW_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "lb.h"

/* Flows that the table holds: per CPU, or altogether if shared. A multiple of 8, at most 2^27. */
const volatile __u32 flow_entries = 1 << 20;
/* 1: one table for all CPUs; connections survive being received by another CPU. */
const volatile __u32 flow_shared = 0;
/* New flows per second and CPU above which none are inserted; 0: no limit. */
const volatile __u32 new_flows_max = 125000;
/* Seconds after which an unused UDP flow is balanced anew. At most 200. */
const volatile __u32 udp_idle_sec = 30;
/* Ticks that the table's clock is ahead, 0 but in tests of what time does to flows. */
const volatile __u64 flow_clock_ahead = 0;

#define FLOW_WAYS	8
#define FLOW_LINE_BITS	24 /* low bits of the hash that select the line; the others are the tag */
#define FLOW_TAG	(~((1ULL << FLOW_LINE_BITS) - 1))
#define FLOW_AGE_SHIFT	16
#define FLOW_TICK_SHIFT 30 /* ages count 2^30 ns, 1.07 s */
#define FLOW_ERA_SHIFT	8 /* and wrap after 2^8 ticks, 275 s: an era */

/* Upper 40 bits of the name << 24 | age << 16 | real + 1; 0 is an empty entry. */
struct flow_line {
	__u64 entry[FLOW_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE); /* page-aligned: a line is a cache line */
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, struct flow_line);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LB_RECENT); /* times the CPUs, set by Go */
	__type(key, __u32);
	__type(value, __u64);
} recent SEC(".maps");

/* New flows in the current tick, per CPU. */
struct flow_guard {
	__u64 tick;
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_guard);
} flow_guards SEC(".maps");

/* The last tick that was read, and the low half of the jiffy in which it was, above it. All CPUs write whole words of the same. */
static __u64 flow_clock;

/*
 * Time in ticks. The coarse clock is enough, and it changes once a jiffy: it is read by the first packet in each. Reading jiffies is one
 * load, the clock a function of 40 instructions.
 */
static __always_inline __u64 flow_now(void)
{
	__u64 clock = *(volatile __u64 *)&flow_clock, jiffy = bpf_jiffies64() << 32;

	if ((clock ^ jiffy) >> 32) {
		clock = jiffy | bpf_ktime_get_coarse_ns() >> FLOW_TICK_SHIFT;
		*(volatile __u64 *)&flow_clock = clock;
	}
	return (__u32)clock + flow_clock_ahead;
}

/* The line of a flow, or NULL if the map is smaller than flow_entries says. */
static __always_inline struct flow_line *flow_line_of(__u64 hash)
{
	__u32 lines = flow_entries / FLOW_WAYS;
	__u32 key = ((hash & ~FLOW_TAG) * lines) >> FLOW_LINE_BITS;

	if (!flow_shared)
		key += bpf_get_smp_processor_id() * lines;
	return bpf_map_lookup_elem(&flows, &key);
}

/* The name of a flow in an era; the era of TCP is always 0. The factors are odd and otherwise arbitrary. */
static __always_inline __u64 flow_name(__u64 hash, __u32 generation, __u64 era)
{
	return hash ^ (generation * 0x9fb21c651e98df25ULL + era * 0xd6e8feb86659fd93ULL) << FLOW_LINE_BITS;
}

static __always_inline __u64 flow_read(const __u64 *entry)
{
	return *(const volatile __u64 *)entry;
}

static __always_inline void flow_write(__u64 *entry, __u64 value)
{
	*(volatile __u64 *)entry = value;
}

/*
 * The real of a flow, or -1. Refreshes the entry, at most once a tick, so that a busy flow does not write. Of an
 * idle UDP flow nothing is said, and flow_insert takes its place again.
 *
 * Which entry it is cannot be predicted, and behind a mispredicted branch nothing goes on until the line has come from
 * memory. So matches are masked and joined; only that there is one is asked. Races can leave two: the first counts.
 */
static __always_inline int flow_find(struct flow_line *line, __u64 name, bool udp, __u64 now)
{
	__u64 tag = name & FLOW_TAG;
	__u64 found = 0, x;
	__s64 hits = 0, hit;
	__u32 age;
	int way;

#pragma unroll
	for (way = 0; way < FLOW_WAYS; way++) {
		x = flow_read(&line->entry[way]) ^ tag; /* clears the tag if it is the same */
		hit = (__s64)((x >> FLOW_LINE_BITS) - 1) >> 63; /* then -1, else 0 */
		asm("" : "+r"(hit)); /* or clang makes a branch of it */
		found |= x & hit;
		hits += hit;
	}
	if (!found)
		return -1;
	if (hits != -1) {
		for (way = 0; way < FLOW_WAYS; way++) {
			found = flow_read(&line->entry[way]) ^ tag;
			if (found <= ~FLOW_TAG && found)
				break;
		}
		if (way == FLOW_WAYS)
			return -1; /* gone meanwhile */
	}
	age = (__u8)(now - (found >> FLOW_AGE_SHIFT));
	if (age) {
		if (udp && age > udp_idle_sec)
			return -1;
		/* Where it stood is not known any more: find it again, once a tick. */
		for (way = 0; way < FLOW_WAYS; way++)
			if (flow_read(&line->entry[way]) == (tag | found))
				flow_write(&line->entry[way], tag | (now & 0xff) << FLOW_AGE_SHIFT | (found & 0xffff));
	}
	return (__u32)(found & 0xffff) - 1;
}

/* The place of a flow among the recent ones, or NULL. */
static __always_inline __u64 *flow_recent_of(__u64 hash)
{
	__u32 key = (hash & (LB_RECENT - 1)) + bpf_get_smp_processor_id() * LB_RECENT;

	return flow_shared ? NULL : bpf_map_lookup_elem(&recent, &key);
}

/* The real of a recent flow, or -1. An entry of an older tick is removed: what the line says may differ by then. */
static __always_inline int flow_recent_find(__u64 *at, __u64 name, __u64 now)
{
	__u64 x = flow_read(at) ^ ((name & FLOW_TAG) | (now & 0xff) << FLOW_AGE_SHIFT);

	if (x <= 0xffff && x)
		return (__u32)x - 1;
	if (x <= ~FLOW_TAG)
		flow_write(at, 0);
	return -1;
}

/* A flow was found in its line in this tick. */
static __always_inline void flow_recent_put(__u64 *at, __u64 name, __u32 real, __u64 now)
{
	__u64 age = (now & 0xff) << FLOW_AGE_SHIFT, e = flow_read(at);

	if (!e || ((e ^ age) & (0xff << FLOW_AGE_SHIFT)))
		flow_write(at, (name & FLOW_TAG) | age | (real + 1));
}

/* A flow begins anew: it is not recent any more. */
static __always_inline void flow_recent_drop(__u64 hash, __u64 name)
{
	__u64 *at = flow_recent_of(hash);

	if (at && (flow_read(at) ^ (name & FLOW_TAG)) <= ~FLOW_TAG)
		flow_write(at, 0);
}

/*
 * The real of a UDP flow that was called `old` in the era before, or -1. If it is not idle, it gets its name of this
 * era. A function of its own: it is called in the first seconds of an era and for unknown flows only.
 */
static __noinline int flow_carry(struct flow_line *line, __u64 old, __u64 name, __u64 now)
{
	__u32 age = now & ((1 << FLOW_ERA_SHIFT) - 1); /* of this era */

	for (int way = 0; way < FLOW_WAYS; way++) {
		__u64 e = flow_read(&line->entry[way]);

		if (((e ^ old) & FLOW_TAG) || !e)
			continue;
		if (age + (1 << FLOW_ERA_SHIFT) - (__u8)(e >> FLOW_AGE_SHIFT) > udp_idle_sec)
			return -1;
		flow_write(&line->entry[way], (name & FLOW_TAG) | (__u64)age << FLOW_AGE_SHIFT | (e & 0xffff));
		return (__u32)(e & 0xffff) - 1;
	}
	return -1;
}

/* Remember the real of a flow: in place of its own entry, of an empty one, or of the longest unused in the line. */
static __always_inline void flow_insert(struct flow_line *line, __u64 name, __u32 real, __u64 now)
{
	__u64 tag = name & FLOW_TAG;
	__u32 victim = 0, oldest = 0;

#pragma unroll
	for (int way = 0; way < FLOW_WAYS; way++) {
		__u64 e = flow_read(&line->entry[way]);
		__u32 rank = (__u8)(now - (e >> FLOW_AGE_SHIFT)) + 1; /* 1 to 256 */

		if (!e)
			rank = 512 - way; /* the first empty one */
		if ((e ^ tag) <= ~FLOW_TAG && e)
			rank = 1024;
		if (rank > oldest) {
			oldest = rank;
			victim = way;
		}
	}
	flow_write(&line->entry[victim & (FLOW_WAYS - 1)], tag | (now & 0xff) << FLOW_AGE_SHIFT | (real + 1));
}

/* Forget a flow, if it is known. */
static __always_inline void flow_forget(struct flow_line *line, __u64 name)
{
	__u64 tag = name & FLOW_TAG;

	for (int way = 0; way < FLOW_WAYS; way++) {
		__u64 e = flow_read(&line->entry[way]);

		if ((e ^ tag) <= ~FLOW_TAG && e)
			flow_write(&line->entry[way], 0);
	}
}

/* Whether one more new flow may be inserted in this tick. Counts it. */
static __always_inline bool flow_guard_admits(__u64 now)
{
	/* A tick is 7.4 % longer than a second. */
	__u64 max = (__u64)new_flows_max + (__u64)new_flows_max * 19 / 256;
	struct flow_guard *g;
	__u32 key = 0;

	if (!new_flows_max)
		return true;
	g = bpf_map_lookup_elem(&flow_guards, &key);
	if (!g)
		return false;
	if (g->tick != now) {
		g->tick = now;
		g->count = 0;
	}
	return g->count++ < max;
}

#endif
