// SPDX-License-Identifier: GPL-2.0
/*
 * iterator_leak - an iterator that is not ended
 *
 * Iterators may hold references; one that is forgotten would hold them for ever.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

struct bpf_iter_num {
	u64 __opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __attribute__((section(".ksyms")));

SEC("xdp")
EXPECT("root@6.4 refused: Unreleased reference")
int iterator_leak(struct xdp_md *ctx)
{
	struct bpf_iter_num it;

	bpf_iter_num_new(&it, 0, 8);
	return XDP_PASS;
}
