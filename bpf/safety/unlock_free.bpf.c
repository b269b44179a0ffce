// SPDX-License-Identifier: GPL-2.0
/*
 * unlock_free - a lock that is given back without being held
 *
 * Another CPU's critical section loses its protection.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

LOCKED(1);

SEC("tc")
EXPECT("root refused: bpf_spin_unlock without taking a lock")
int unlock_free(struct __sk_buff *skb)
{
	u32 key = 0;
	struct locked_value *a = bpf_map_lookup_elem(&locked, &key);

	if (a)
		bpf_spin_unlock(&a->lock);
	return TC_ACT_OK;
}
