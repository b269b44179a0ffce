// SPDX-License-Identifier: GPL-2.0
/*
 * big_stack - a stack larger than 512 bytes
 *
 * The kernel's stack has 16 KiB for all that is nested; a program may have 512 bytes of it.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: stack")
NAKED int big_stack(void)
{
	asm volatile("r1 = 0;"
		     "r2 = r10;"
		     "r2 += -600;"
		     "*(u64 *)(r2 + 0) = r1;"
		     "r0 = 2;"
		     "exit;" ::
			 : CLOBBER);
}
