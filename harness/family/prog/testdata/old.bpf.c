// SPDX-License-Identifier: GPL-2.0
/*
 * old: has a map in the form of iproute2, which adds fields to the kernel's old one.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__u32 type, key_size, value_size, max_entries, flags, id, pinning;
} table SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0, 0, 2};

SEC("xdp")
int old(struct xdp_md *ctx)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&table, &key) ? XDP_DROP : XDP_PASS;
}
