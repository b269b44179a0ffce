// SPDX-License-Identifier: GPL-2.0
/*
 * socket_after_free - read of a socket that was released
 *
 * Another CPU may have freed it between the release and the read.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
EXPECT("root refused: invalid mem access 'scalar'")
EXPECT("bpf refused: R6 !read_ok")
int socket_after_free(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);

	if (!sk)
		return TC_ACT_OK;
	bpf_sk_release(sk);
	return sk->family ? TC_ACT_OK : TC_ACT_SHOT;
}
