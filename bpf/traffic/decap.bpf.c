/* SPDX-License-Identifier: GPL-2.0 */
/*
 * decap: removes the outer header of tunnelled packets on a real server's link, so that a real behind an IPIP balancer
 * needs no tunnel device (which not every kernel has). All other packets pass unchanged.
 *
 * The program removes IPv4 around IPv4, and IPv6 around IPv4 or IPv6, without options or extension headers. It does not
 * check the outer destination: every packet that reaches this link is for this host. It checks the outer IPv4 checksum,
 * so that a balancer's error shows: a packet with a wrong one passes unchanged, and the kernel counts it.
 *
 * Known weakness: fragments of the outer packet are not reassembled; they pass.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

/* Packets stripped, per CPU: [0] with an outer IPv4 header, [1] with an outer IPv6 header. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} stripped SEC(".maps");

#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */

/* The ethertype of what an outer header with this next protocol holds; 0 if it holds no packet. */
static __always_inline __be16 inner_type(__u8 proto)
{
	if (proto == IPPROTO_IPIP)
		return bpf_htons(ETH_P_IP);
	if (proto == IPPROTO_IPV6)
		return bpf_htons(ETH_P_IPV6);
	return 0;
}

/* The one's complement sum over an IPv4 header without options is all ones if its checksum is right. */
static __always_inline int header_good(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data, link;
	__u32 key, outer;
	__be16 type;
	__u64 *n;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end || ip->ihl != 5 || (ip->frag_off & bpf_htons(IP_FRAGMENT)))
			return XDP_PASS;
		type = inner_type(ip->protocol);
		if (!type || !header_good(ip))
			return XDP_PASS;
		outer = sizeof(*ip);
		key = 0;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip6 = (void *)(eth + 1);

		if ((void *)(ip6 + 1) > end)
			return XDP_PASS;
		type = inner_type(ip6->nexthdr);
		if (!type)
			return XDP_PASS;
		outer = sizeof(*ip6);
		key = 1;
	} else {
		return XDP_PASS;
	}

	link = *eth;
	link.h_proto = type;
	if (bpf_xdp_adjust_head(ctx, outer))
		return XDP_PASS;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_DROP; /* an outer header with nothing in it */
	*eth = link;

	n = bpf_map_lookup_elem(&stripped, &key);
	if (n)
		(*n)++;
	return XDP_PASS;
}
