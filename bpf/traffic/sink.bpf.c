// SPDX-License-Identifier: GPL-2.0
/*
 * sink: counts the generator's packets by destination real, and drops them.
 *
 * Two programs, for the fabric's side of a balancer's link. `count` counts packets and bytes; the destination MAC address,
 * which the lab assigned, identifies the real. `track` also stores the real of every flow's first packet and counts flows
 * whose real changes. Both parse one outer IP header. A frame belongs to the stream if its innermost source address is a
 * generated one; all others (ARP, the lab's real sockets) pass.
 *
 * Counters are an array that user space maps, one part a CPU: reading them takes no system call and disturbs no CPU.
 *
 * Known weakness: IPv4 options and IPv6 extension headers are not parsed; such frames pass, uncounted. Two CPUs that
 * process the same flow at the same moment may both count it as new; a veth has one queue, so that does not happen here.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "traffic.h"

char _license[] SEC("license") = "GPL";

const volatile __u32 track_first; /* number of the first tracked flow */
const volatile __u32 track_flows;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TRAFFIC_SLOTS); /* times the CPUs, set by Go */
	__type(key, __u32);
	__type(value, struct traffic_count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the CPUs, set by Go */
	__type(key, __u32);
	__type(value, struct traffic_moved);
} moved SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the tracked flows, two a value, set by Go */
	__type(key, __u32);
	__type(value, __u32[2]);
} flows SEC(".maps");

/* The innermost headers. Without ports (a fragment, ICMP) sport is 0. */
struct inner {
	__u32 x; /* offset of the source address */
	__u32 sport;
};

static __always_inline int inner4(void *ip, void *end, struct inner *in)
{
	__u32 src;

	if (ip + 24 > end)
		return 0;
	src = bpf_ntohl(*(__be32 *)(ip + 12));
	if ((src & ~(__u32)TRAFFIC_HALF_MASK) != TRAFFIC_SRC4)
		return 0;
	in->x = src & TRAFFIC_HALF_MASK;
	in->sport = bpf_ntohs(*(__be16 *)(ip + 20));
	return 1;
}

static __always_inline int inner6(void *ip, void *end, struct inner *in)
{
	if (ip + 44 > end)
		return 0;
	if (*(__be32 *)(ip + 8) != bpf_htonl(TRAFFIC_SRC6_HI) || *(__be32 *)(ip + 12) != bpf_htonl(TRAFFIC_SRC6_LO))
		return 0;
	in->x = bpf_ntohl(*(__be32 *)(ip + 20)) & TRAFFIC_HALF_MASK;
	in->sport = bpf_ntohs(*(__be16 *)(ip + 40));
	return 1;
}

/* Whether the frame is of the stream. */
static __always_inline int of_stream(void *data, void *end, struct inner *in)
{
	void *ip = data + ETH_HLEN;
	__u8 proto;

	if (ip + 20 > end)
		return 0;
	switch (*(__be16 *)(data + 12)) {
	case bpf_htons(ETH_P_IP):
		if (*(__u8 *)ip != 0x45)
			return 0;
		proto = *(__u8 *)(ip + 9);
		ip += 20;
		if (proto != IPPROTO_IPIP && proto != IPPROTO_IPV6)
			return inner4(ip - 20, end, in);
		break;
	case bpf_htons(ETH_P_IPV6):
		proto = *(__u8 *)(ip + 6);
		ip += 40;
		if (proto != IPPROTO_IPIP && proto != IPPROTO_IPV6)
			return inner6(ip - 40, end, in);
		break;
	default:
		return 0;
	}
	return proto == IPPROTO_IPIP ? inner4(ip, end, in) : inner6(ip, end, in);
}

/* The frame's slot: the index of its real, or TRAFFIC_OTHER. */
static __always_inline __u32 slot_of(void *data)
{
	__u32 i;

	if (*(__be32 *)data != bpf_htonl(0x024b5802))
		return TRAFFIC_OTHER;
	i = bpf_ntohs(*(__be16 *)(data + 4));
	return i < TRAFFIC_REALS ? i : TRAFFIC_OTHER;
}

static __always_inline void add(__u32 cpu, __u32 slot, __u32 bytes)
{
	__u32 key = cpu * TRAFFIC_SLOTS + slot;
	struct traffic_count *c = bpf_map_lookup_elem(&counts, &key);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

static __always_inline void follow(__u32 cpu, __u32 slot, const struct inner *in)
{
	struct traffic_moved *m = bpf_map_lookup_elem(&moved, &cpu);
	__u32 f, key, *pair, was;

	if (!m)
		return;
	f = (((in->sport - TRAFFIC_PORT0) ^ in->x) & TRAFFIC_HALF_MASK) << TRAFFIC_HALF_BITS | in->x;
	f -= track_first;
	key = f >> 1;
	pair = f < track_flows ? bpf_map_lookup_elem(&flows, &key) : NULL;
	if (!pair) {
		m->unknown++;
		return;
	}
	pair += f & 1;
	was = *pair;
	if (!was) {
		*pair = slot + 1;
		m->seen++;
	} else if ((was & TRAFFIC_FLOW_REAL) != slot + 1) {
		m->packets++;
		if (!(was & TRAFFIC_FLOW_MOVED)) {
			*pair = was | TRAFFIC_FLOW_MOVED;
			m->flows++;
		}
	}
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct inner in;

	if (!of_stream(data, end, &in))
		return XDP_PASS;
	add(bpf_get_smp_processor_id(), slot_of(data), end - data);
	return XDP_DROP;
}

SEC("xdp")
int track(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 cpu = bpf_get_smp_processor_id(), slot;
	struct inner in;

	if (!of_stream(data, end, &in))
		return XDP_PASS;
	slot = slot_of(data);
	add(cpu, slot, end - data);
	follow(cpu, slot, &in);
	return XDP_DROP;
}
