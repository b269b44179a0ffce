// SPDX-License-Identifier: GPL-2.0
/*
 * double_free - a record that is handed over twice
 *
 * The ring buffer's positions would no longer fit its records.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

RING();

SEC("xdp")
EXPECT("root refused: R1 type=scalar expected=alloc_mem")
EXPECT("root@6.12 refused: expected=ringbuf_mem")
EXPECT("bpf refused: R6 !read_ok")
int double_free(struct xdp_md *ctx)
{
	u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (!record)
		return XDP_PASS;
	bpf_ringbuf_submit(record, 0);
	bpf_ringbuf_submit(record, 0);
	return XDP_PASS;
}
