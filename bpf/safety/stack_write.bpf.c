// SPDX-License-Identifier: GPL-2.0
/*
 * stack_write - write below the stack
 *
 * A program has 512 bytes of stack. Below them lies the stack of the kernel function that called it.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid write to stack")
NAKED int stack_write(void)
{
	asm volatile("r1 = 1;"
		     "*(u64 *)(r10 - 520) = r1;"
		     "r0 = 2;"
		     "exit;" ::
			 : CLOBBER);
}
