// SPDX-License-Identifier: GPL-2.0
/*
 * refused: an XDP program that the verifier refuses, for tests. It reads a byte of the packet without asking how long that is.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int refused(struct xdp_md *ctx)
{
	return *((unsigned char *)(long)ctx->data + 14);
}
