// SPDX-License-Identifier: GPL-2.0
/*
 * socket_leak - a socket whose reference is not released
 *
 * Each packet would hold a socket for ever, until memory ends.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
EXPECT("root refused: Unreleased reference")
int socket_leak(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	return sk ? TC_ACT_OK : TC_ACT_SHOT;
}
