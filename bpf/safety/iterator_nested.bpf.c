// SPDX-License-Identifier: GPL-2.0
/*
 * iterator_nested - the same by open-coded iterators
 *
 * Newer kernels have loops whose rounds the verifier need not follow one by one (since 6.4). Three of eight million, nested.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

struct bpf_iter_num {
	u64 __opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __attribute__((section(".ksyms")));
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __attribute__((section(".ksyms")));
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __attribute__((section(".ksyms")));

SEC("xdp")
EXPECT("root@6.4 hang")
EXPECT("bpf@6.4 refused: infinite loop detected")
int iterator_nested(struct xdp_md *ctx)
{
	struct bpf_iter_num a, b;

	bpf_iter_num_new(&a, 0, 1 << 23);
	while (bpf_iter_num_next(&a)) {
		bpf_iter_num_new(&b, 0, 1 << 23);
		while (bpf_iter_num_next(&b))
			;
		bpf_iter_num_destroy(&b);
	}
	bpf_iter_num_destroy(&a);
	return XDP_PASS;
}
