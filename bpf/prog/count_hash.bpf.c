// SPDX-License-Identifier: GPL-2.0
/*
 * count_hash - count packets by their EtherType in a hash table.
 *
 * Takes any key, for the cost of a hash and a search in its bucket. The first packet of a type adds an entry; two CPUs that
 * add it at once lose one packet of the count. Known weakness: types whose low bytes agree share a counter, as in its peers.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("xdp")
int count_hash(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u64 *count, one = 1;
	__u32 key;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	key = bpf_ntohs(eth->h_proto) & 0xff;
	count = bpf_map_lookup_elem(&packets, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&packets, &key, &one, BPF_NOEXIST);
	return XDP_PASS;
}
