// SPDX-License-Identifier: GPL-2.0
/*
 * capture: copies every frame into a ring buffer and drops it. The correctness gate puts it on the fabric's side of a
 * balancer's link, so that it records every byte that the balancer sent and no host answers.
 *
 * Known weakness: frames above CAPTURE_MAX bytes are cut, and a full buffer loses frames (counted in lost). The gate
 * sends little at a time.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CAPTURE_MAX 2040

char _license[] SEC("license") = "GPL";

struct captured {
	__u32 len; /* of the frame as it came */
	__u32 pad;
	__u8 data[CAPTURE_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} frames SEC(".maps");

__u64 lost;

SEC("xdp")
int capture(struct xdp_md *ctx)
{
	__u64 len = bpf_xdp_get_buff_len(ctx);
	struct captured *c = bpf_ringbuf_reserve(&frames, sizeof(*c), 0);

	if (!c) {
		__sync_fetch_and_add(&lost, 1);
		return XDP_DROP;
	}
	c->len = len;
	c->pad = 0;
	if (len > CAPTURE_MAX)
		len = CAPTURE_MAX;
	/* The verifier of 6.1 takes no lower bound from a test against 0. One less has 0 as its lower bound, and one more 1. */
	len--;
	asm volatile("" : "+r"(len));
	if (len < CAPTURE_MAX && bpf_xdp_load_bytes(ctx, 0, c->data, len + 1) < 0)
		c->len = 0;
	bpf_ringbuf_submit(c, 0);
	return XDP_DROP;
}
