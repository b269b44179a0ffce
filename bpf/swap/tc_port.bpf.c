// SPDX-License-Identifier: GPL-2.0
/*
 * tc_port: stamps packets by the port that IPVS sent them to, at tc egress. It is never replaced.
 *
 * Version g of the service sends to port SWAP_PORT + g. The program writes g into the stamp, counts a version, and makes the port that of
 * numbered packets again. A packet goes to one port: no packet counts as seen by two.
 */
#include "swap.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
int mark(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 generation;
	__be16 *port;

	if (data + SWAP_AT + SWAP_BYTES > end)
		return 0;
	port = data + 36;
	generation = bpf_ntohs(*port) - SWAP_PORT;
	if (!generation || generation >= SWAP_GENERATIONS)
		return 0;
	*port = bpf_htons(SWAP_PORT);
	if (!swap_stamp(data, end, generation)) /* not a numbered packet */
		*port = bpf_htons(SWAP_PORT + generation);
	return 0;
}
