// SPDX-License-Identifier: GPL-2.0
/*
 * closed: calls a helper for programs under the GPL without being one, so that the verifier refuses it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Proprietary";

SEC("xdp")
int closed(struct xdp_md *ctx)
{
	bpf_printk("closed");
	return XDP_PASS;
}
