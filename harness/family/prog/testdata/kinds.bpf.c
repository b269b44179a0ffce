// SPDX-License-Identifier: GPL-2.0
/*
 * kinds: a program of each type that the test run takes, and one that it does not.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("xdp")
int kind_xdp(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data == 64 ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int kind_tc(struct __sk_buff *skb)
{
	skb->mark = 7;
	return skb->len == 64 ? 0 : 2;
}

SEC("cgroup_skb/egress")
int kind_cgroup(struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(0x0800);
}

SEC("socket")
int kind_socket(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("flow_dissector")
int kind_flow(struct __sk_buff *skb)
{
	skb->flow_keys->ip_proto = 42;
	return BPF_OK;
}

SEC("raw_tp")
int kind_raw(__u64 *args)
{
	return args[0] + args[1];
}

SEC("syscall")
int kind_syscall(__u64 *args)
{
	args[1] += args[0];
	return 5;
}

SEC("kprobe/none")
int kind_kprobe(void *regs)
{
	return 0;
}
