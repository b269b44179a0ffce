// SPDX-License-Identifier: GPL-2.0
/*
 * two_locks - one lock taken inside another
 *
 * Two CPUs that take them in different orders wait for each other for ever. BPF's simple locks may not be nested at all.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

LOCKED(2);

SEC("tc")
EXPECT("root refused: function calls are not allowed while holding a lock")
int two_locks(struct __sk_buff *skb)
{
	u32 one = 0, two = 1;
	struct locked_value *a = bpf_map_lookup_elem(&locked, &one), *b = bpf_map_lookup_elem(&locked, &two);

	if (!a || !b)
		return TC_ACT_OK;
	bpf_spin_lock(&a->lock);
	bpf_spin_lock(&b->lock);
	a->value = b->value;
	bpf_spin_unlock(&b->lock);
	bpf_spin_unlock(&a->lock);
	return TC_ACT_OK;
}
