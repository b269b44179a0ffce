// SPDX-License-Identifier: GPL-2.0
/*
 * count_percpu - count packets by their EtherType in an array for each CPU.
 *
 * No atomic operation is needed; the reader has to add up the CPUs. Known weakness: types whose low bytes agree share a
 * counter.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("xdp")
int count_percpu(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u64 *count;
	__u32 key;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	key = bpf_ntohs(eth->h_proto) & 0xff;
	count = bpf_map_lookup_elem(&packets, &key);
	if (count)
		*count += 1;
	return XDP_PASS;
}
