// SPDX-License-Identifier: GPL-2.0
/*
 * no_unlock - a lock that is not given back
 *
 * The next program that wants it waits for ever.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

LOCKED(1);

SEC("tc")
EXPECT("root refused: bpf_spin_unlock is missing")
EXPECT("root@6.18 refused: bpf_spin_lock")
int no_unlock(struct __sk_buff *skb)
{
	u32 key = 0;
	struct locked_value *a = bpf_map_lookup_elem(&locked, &key);

	if (!a)
		return TC_ACT_OK;
	bpf_spin_lock(&a->lock);
	a->value++;
	return TC_ACT_OK;
}
