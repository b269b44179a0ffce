// SPDX-License-Identifier: GPL-2.0
/*
 * slice_after_free - use of a record's bytes after the record was handed over
 *
 * The record is described by a dynptr; its slices die with it.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

RING();

SEC("xdp")
EXPECT("root refused: invalid mem access 'scalar'")
EXPECT("bpf refused: R6 !read_ok")
int slice_after_free(struct xdp_md *ctx)
{
	u64 room[2];
	struct bpf_dynptr *record = (void *)room;
	u8 *slice;

	bpf_ringbuf_reserve_dynptr(&ring, 8, 0, record);
	slice = bpf_dynptr_data(record, 0, 8);
	bpf_ringbuf_submit_dynptr(record, 0);
	return slice ? *(volatile u8 *)slice : XDP_PASS;
}
