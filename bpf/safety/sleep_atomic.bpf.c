// SPDX-License-Identifier: GPL-2.0
/*
 * sleep_atomic - a helper that may sleep, in a program that may not
 *
 * Packets are processed where nothing may sleep. The helper waits for a page of user memory.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
EXPECT("root refused: unknown func bpf_copy_from_user")
EXPECT("root@6.12 refused: program of this type cannot use helper bpf_copy_from_user")
EXPECT("root@6.18 refused: helper call might sleep in a non-sleepable prog")
EXPECT("root@7.2 refused: sleepable helper bpf_copy_from_user#148 in non-sleepable prog")
EXPECT("bpf refused: unknown func bpf_copy_from_user")
EXPECT("bpf@6.12 refused: program of this type cannot use helper bpf_copy_from_user")
int sleep_atomic(struct __sk_buff *skb)
{
	u64 value = 0;

	return bpf_copy_from_user(&value, sizeof(value), NULL) ? TC_ACT_OK : TC_ACT_SHOT;
}
