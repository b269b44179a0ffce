// SPDX-License-Identifier: GPL-2.0
/*
 * no_preempt - preemption that is turned off and not on again
 *
 * The CPU would run nothing else.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

extern void bpf_preempt_disable(void) __attribute__((section(".ksyms")));

SEC("syscall")
EXPECT("root@6.10 refused: bpf_preempt_enable is missing")
EXPECT("root@6.18 refused: bpf_preempt_disable")
int no_preempt(u64 *ctx)
{
	bpf_preempt_disable();
	return 0;
}
