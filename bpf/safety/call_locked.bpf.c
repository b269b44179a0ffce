// SPDX-License-Identifier: GPL-2.0
/*
 * call_locked - a helper called while a lock is held
 *
 * The helper may take the same lock, or run for long with interrupts off.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

LOCKED(1);

SEC("tc")
EXPECT("root refused: while holding a lock")
EXPECT("root@6.3 refused: function calls are not allowed while holding a lock")
int call_locked(struct __sk_buff *skb)
{
	u32 key = 0;
	struct locked_value *a = bpf_map_lookup_elem(&locked, &key);

	if (!a)
		return TC_ACT_OK;
	bpf_spin_lock(&a->lock);
	a->value = bpf_get_prandom_u32();
	bpf_spin_unlock(&a->lock);
	return TC_ACT_OK;
}
