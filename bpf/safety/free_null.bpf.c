// SPDX-License-Identifier: GPL-2.0
/*
 * free_null - release of what may be null
 *
 * The lookup may find no socket.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
EXPECT("root refused: type=sock_or_null expected=sock")
int free_null(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};

	bpf_sk_release(bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0));
	return TC_ACT_OK;
}
