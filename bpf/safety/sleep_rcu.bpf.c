// SPDX-License-Identifier: GPL-2.0
/*
 * sleep_rcu - a sleep within a read section of RCU
 *
 * A program that may sleep (type syscall) does so while it holds off RCU: memory of the whole machine is no longer freed.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));
extern void bpf_rcu_read_unlock(void) __attribute__((section(".ksyms")));

SEC("syscall")
EXPECT("root@6.2 refused: sleepable helper bpf_copy_from_user")
EXPECT("bpf@6.2 refused: sleepable helper bpf_copy_from_user")
EXPECT("bpf@6.18 refused: program of this type cannot use helper bpf_copy_from_user")
int sleep_rcu(u64 *ctx)
{
	u64 value = 0;

	bpf_rcu_read_lock();
	bpf_copy_from_user(&value, sizeof(value), NULL);
	bpf_rcu_read_unlock();
	return value;
}
