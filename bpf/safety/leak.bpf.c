// SPDX-License-Identifier: GPL-2.0
/*
 * leak - a record that is never handed over
 *
 * The ring buffer's reader waits for it for ever: no later record reaches user space.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

RING();

SEC("xdp")
EXPECT("root refused: Unreleased reference")
int leak(struct xdp_md *ctx)
{
	u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (record)
		*record = 1;
	return XDP_PASS;
}
