// SPDX-License-Identifier: GPL-2.0
/*
 * unchecked - a lookup's result that is not checked
 *
 * A hash table may not hold the key; the lookup then gives null, and the kernel would oops.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

TABLE(1);

SEC("xdp")
EXPECT("root refused: invalid mem access 'map_value_or_null'")
int unchecked(struct xdp_md *ctx)
{
	u32 key = 7;
	u64 *value = bpf_map_lookup_elem(&table, &key);

	return *value ? XDP_PASS : XDP_DROP;
}
