// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_map: a program at XDP that is never replaced. Its table is replaced: the map in its outer map holds the generation.
 *
 * Without a table it sends the packet back as it is, so that the sink sees that no version was there.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

struct table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct table);
} tables SEC(".maps");

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 key = 0, *generation;
	void *table;

	if (!swap_find(data, end))
		return XDP_PASS;
	table = bpf_map_lookup_elem(&tables, &key);
	if (!table)
		return XDP_TX;
	generation = bpf_map_lookup_elem(table, &key);
	if (generation)
		swap_stamp(data, end, *generation);
	return XDP_TX;
}
