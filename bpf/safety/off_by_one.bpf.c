// SPDX-License-Identifier: GPL-2.0
/*
 * off_by_one - a bound that lets one index too many through
 *
 * The loop's usual slip: at most, where less than is meant. One byte behind the value is written.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

VALUES(1);

SEC("xdp")
EXPECT("root refused: invalid access to map value")
int off_by_one(struct xdp_md *ctx)
{
	u32 key = 0, i = bpf_get_prandom_u32();
	u8 *value = bpf_map_lookup_elem(&values, &key);

	if (value && i <= sizeof(u64))
		value[i] = 1;
	return XDP_PASS;
}
