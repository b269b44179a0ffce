// SPDX-License-Identifier: GPL-2.0
/*
 * no_stack - read of a stack slot that was never written
 *
 * Old contents of the kernel's stack reach the program. The verifier lets loaders do this that may read kernel memory anyway
 * (CAP_PERFMON), and refuses it to others.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

u64 seen;

SEC("xdp")
EXPECT("root refused: invalid read from stack")
EXPECT("root@6.3 harmless 2")
EXPECT("bpf refused: invalid read from stack")
NAKED int no_stack(void)
{
	asm volatile("r0 = *(u64 *)(r10 - 8);"
		     "r0 &= 0;"
		     "r0 += 2;"
		     "exit;" ::
			 : CLOBBER);
}
