// SPDX-License-Identifier: GPL-2.0
/*
 * no_rcu_unlock - a read section of RCU that does not end
 *
 * Memory that is freed later would never be given back.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));

SEC("syscall")
EXPECT("root@6.2 refused: bpf_rcu_read_unlock is missing")
EXPECT("root@6.18 refused: bpf_rcu_read_lock")
int no_rcu_unlock(u64 *ctx)
{
	bpf_rcu_read_lock();
	return 0;
}
