// SPDX-License-Identifier: GPL-2.0
/*
 * count_array - count packets by their EtherType in an array.
 *
 * The verifier turns the lookup into a few instructions of its own; the counter is shared by all CPUs, so that it is
 * counted up atomically, which costs more the more CPUs count. Known weakness: types whose low bytes agree share a counter.
 */
#include "count.bpf.h"

char _license[] SEC("license") = "GPL";

COUNTERS(ARRAY);

SEC("xdp")
int count_array(struct xdp_md *ctx)
{
	__u64 *count;
	__u32 key;

	if (!count_key(ctx, &key))
		return XDP_PASS;
	count = bpf_map_lookup_elem(&packets, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}
