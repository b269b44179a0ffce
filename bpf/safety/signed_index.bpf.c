// SPDX-License-Identifier: GPL-2.0
/*
 * signed_index - an index that is bounded above and may be negative
 *
 * The comparison is signed, so -1 passes it, and the byte before the value is written.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

VALUES(1);

SEC("xdp")
EXPECT("root refused: R0 min value is outside of the allowed memory range")
EXPECT("bpf refused: pointer arithmetic of map value goes out of range, prohibited for !root")
int signed_index(struct xdp_md *ctx)
{
	u32 key = 0;
	s64 i = (s64)bpf_get_prandom_u32() - 1000;
	u8 *value = bpf_map_lookup_elem(&values, &key);

	if (value && i < 8)
		value[i] = 1;
	return XDP_PASS;
}
