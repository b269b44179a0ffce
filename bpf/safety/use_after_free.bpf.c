// SPDX-License-Identifier: GPL-2.0
/*
 * use_after_free - write to a record that was handed over
 *
 * The ring buffer's reader may already be overwriting the record.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

RING();

SEC("xdp")
EXPECT("root refused: invalid mem access 'scalar'")
EXPECT("bpf refused: R6 !read_ok")
int use_after_free(struct xdp_md *ctx)
{
	u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (!record)
		return XDP_PASS;
	bpf_ringbuf_submit(record, 0);
	*(volatile u64 *)record = 1;
	return XDP_PASS;
}
