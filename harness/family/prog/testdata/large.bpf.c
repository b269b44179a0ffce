// SPDX-License-Identifier: GPL-2.0
/*
 * large: has a map that no guest has room for.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 400000000);
	__type(key, __u64);
	__type(value, __u64);
} huge SEC(".maps");

SEC("xdp")
int large(struct xdp_md *ctx)
{
	__u64 key = 0;

	return bpf_map_lookup_elem(&huge, &key) ? XDP_DROP : XDP_PASS;
}
