// SPDX-License-Identifier: GPL-2.0
/*
 * NAME: an XDP program to start from, measured by itself.
 *
 * Policy. UDP packets over IPv4 to one port are dropped and counted; all others pass.
 *
 * Good for: say here what it is better at.
 *
 * Known weakness: IPv4 options, fragments and VLAN tags are not looked at: such packets pass.
 *
 * The kernel's test run gives the program each packet of NAME-input.yaml. The return value and the packet must be the same in both
 * versions that are compared; what a run takes is the answer. Any type that the test run takes can stand here: tc, cgroup_skb, a socket
 * filter, a flow dissector, a raw tracepoint or a syscall program.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

/* The port whose packets are dropped. */
const volatile __u16 port = 9;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

SEC("xdp")
int own(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 zero = 0;
	__u64 *count;

	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (ip->ihl != 5 || ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(port))
		return XDP_PASS;
	count = bpf_map_lookup_elem(&dropped, &zero);
	if (count)
		++*count;
	return XDP_DROP;
}
