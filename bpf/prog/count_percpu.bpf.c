// SPDX-License-Identifier: GPL-2.0
/*
 * count_percpu - count packets by their EtherType in an array for each CPU.
 *
 * No atomic operation is needed; the reader has to add up the CPUs. Known weakness: types whose low bytes agree share a
 * counter.
 */
#include "count.bpf.h"

char _license[] SEC("license") = "GPL";

COUNTERS(PERCPU_ARRAY);

SEC("xdp")
int count_percpu(struct xdp_md *ctx)
{
	__u64 *count;
	__u32 key;

	if (!count_key(ctx, &key))
		return XDP_PASS;
	count = bpf_map_lookup_elem(&packets, &key);
	if (count)
		*count += 1;
	return XDP_PASS;
}
