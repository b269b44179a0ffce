// SPDX-License-Identifier: GPL-2.0
/*
 * no_irq - interrupts that are turned off and not on again
 *
 * The CPU would be dead to its devices and its clock.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

extern void bpf_local_irq_save(unsigned long *flags) __attribute__((section(".ksyms")));

SEC("syscall")
EXPECT("root@6.14 refused: bpf_local_irq_save")
int no_irq(u64 *ctx)
{
	unsigned long flags;

	bpf_local_irq_save(&flags);
	return 0;
}
