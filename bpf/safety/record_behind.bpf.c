// SPDX-License-Identifier: GPL-2.0
/*
 * record_behind - write behind the end of a record
 *
 * The next record of the ring buffer begins there.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

RING();

SEC("xdp")
EXPECT("root refused: invalid access to memory")
int record_behind(struct xdp_md *ctx)
{
	u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (!record)
		return XDP_PASS;
	record[1] = 1;
	bpf_ringbuf_submit(record, 0);
	return XDP_PASS;
}
