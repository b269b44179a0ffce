// SPDX-License-Identifier: GPL-2.0
/*
 * free_foreign - release of memory that was not reserved
 *
 * The helper is given a map's value instead of a record.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

RING();
VALUES(1);

SEC("xdp")
EXPECT("root refused: R1 type=map_value expected=alloc_mem")
EXPECT("root@6.12 refused: type=map_value expected=ringbuf_mem")
int free_foreign(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&values, &key);

	if (value)
		bpf_ringbuf_submit(value, 0);
	return XDP_PASS;
}
