// SPDX-License-Identifier: GPL-2.0
/*
 * lock_twice - the same lock taken twice
 *
 * The second attempt waits for the first to be undone, which never happens.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

LOCKED(1);

SEC("tc")
EXPECT("root refused: function calls are not allowed while holding a lock")
int lock_twice(struct __sk_buff *skb)
{
	u32 key = 0;
	struct locked_value *a = bpf_map_lookup_elem(&locked, &key);

	if (!a)
		return TC_ACT_OK;
	bpf_spin_lock(&a->lock);
	bpf_spin_lock(&a->lock);
	a->value++;
	bpf_spin_unlock(&a->lock);
	return TC_ACT_OK;
}
