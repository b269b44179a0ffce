// SPDX-License-Identifier: GPL-2.0
/*
 * array_read - read behind the end of a map's value
 *
 * The lookup gives a pointer to eight bytes; the program reads the eight behind them. In the kernel these are another object's.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

VALUES(1);

SEC("xdp")
EXPECT("root refused: invalid access to map value")
int array_read(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&values, &key);

	return value ? value[1] : XDP_PASS;
}
