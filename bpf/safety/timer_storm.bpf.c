// SPDX-License-Identifier: GPL-2.0
/*
 * timer_storm - a timer that starts itself again at once
 *
 * The callback runs in a softirq and asks to be called again after no time at all. The kernel moves such work to a thread that
 * shares the CPU with others, so that the machine goes on, slower.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

struct entry {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct entry);
} timers SEC(".maps");

static int fire(void *map, u32 *key, struct entry *e)
{
	bpf_timer_start(&e->timer, 0, 0);
	return 0;
}

SEC("tc")
EXPECT("root harmless 0")
int timer_storm(struct __sk_buff *skb)
{
	u32 key = 0;
	struct entry *e = bpf_map_lookup_elem(&timers, &key);

	if (!e)
		return TC_ACT_SHOT;
	bpf_timer_init(&e->timer, &timers, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&e->timer, fire);
	return bpf_timer_start(&e->timer, 0, 0);
}
