// SPDX-License-Identifier: GPL-2.0
/*
 * filled: returns what the test put into its maps: each packet has the sum of what it finds, or a tail call its own value.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct vip {
	union {
		__be32 addr;
		__u8 bytes[4];
	};
	struct {
		__be16 port;
	};
	__u8 mac[6];
	struct {
		__u16 low, high;
	} range[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct vip);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} each SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(
	    values, struct {
		    __uint(type, BPF_MAP_TYPE_ARRAY);
		    __uint(max_entries, 2);
		    __type(key, __u32);
		    __type(value, __u32);
	    });
} outer SEC(".maps");

int jumped(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {.values = {[1] = &jumped}};

const volatile __u32 slot = 0;
__u32 more = 0;

SEC("xdp")
int jumped(struct xdp_md *ctx)
{
	return 99;
}

SEC("xdp")
int filled(struct xdp_md *ctx)
{
	struct vip key = {
	    .addr = bpf_htonl(0x0a000001), .port = bpf_htons(80), .mac = {2, 0, 0, 0, 0, 9}, .range = {{1, 2}, {3, 4}}};
	__u32 zero = 0, one = 1, sum = more, *v;
	void *inner;

	bpf_tail_call(ctx, &jumps, slot);
	v = bpf_map_lookup_elem(&vips, &key);
	if (v)
		sum += *v;
	v = bpf_map_lookup_elem(&each, &zero);
	if (v)
		sum += *v;
	inner = bpf_map_lookup_elem(&outer, &one);
	v = inner ? bpf_map_lookup_elem(inner, &one) : NULL;
	if (v)
		sum += *v;
	return sum;
}
