// SPDX-License-Identifier: GPL-2.0
/*
 * outer: has a map of maps that does not say what its inner maps are like.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} tables SEC(".maps");

SEC("xdp")
int outer(struct xdp_md *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&tables, &key) ? XDP_DROP : XDP_PASS;
}
