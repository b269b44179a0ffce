// SPDX-License-Identifier: GPL-2.0
/*
 * torn_pointer - a pointer on the stack of which one byte is overwritten
 *
 * The program saves a pointer, changes one byte of it, and uses the result.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid mem access 'scalar'")
EXPECT("bpf refused: attempt to corrupt spilled pointer on stack")
NAKED int torn_pointer(void)
{
	asm volatile("*(u64 *)(r10 - 8) = r1;"
		     "r2 = 1;"
		     "*(u8 *)(r10 - 7) = r2;"
		     "r1 = *(u64 *)(r10 - 8);"
		     "r0 = *(u32 *)(r1 + 0);"
		     "exit;" ::
			 : CLOBBER);
}
