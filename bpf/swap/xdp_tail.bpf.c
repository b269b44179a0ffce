// SPDX-License-Identifier: GPL-2.0
/*
 * xdp_tail: a dispatcher at XDP that is never replaced. It tail-calls the version in its only entry.
 *
 * Without a version it sends the packet back as it is, so that the sink sees that no version was there.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} versions SEC(".maps");

SEC("xdp")
int dispatch(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &versions, 0);
	return XDP_TX;
}
