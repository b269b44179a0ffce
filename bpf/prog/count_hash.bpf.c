// SPDX-License-Identifier: GPL-2.0
/*
 * count_hash - count packets by their EtherType in a hash table.
 *
 * Takes any key, for the cost of a hash and a search in its bucket. The first packet of a type adds an entry; two CPUs that
 * add it at once lose one packet of the count. Known weakness: types whose low bytes agree share a counter, as in its peers.
 */
#include "count.bpf.h"

char _license[] SEC("license") = "GPL";

COUNTERS(HASH);

SEC("xdp")
int count_hash(struct xdp_md *ctx)
{
	__u64 *count, one = 1;
	__u32 key;

	if (!count_key(ctx, &key))
		return XDP_PASS;
	count = bpf_map_lookup_elem(&packets, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&packets, &key, &one, BPF_NOEXIST);
	return XDP_PASS;
}
