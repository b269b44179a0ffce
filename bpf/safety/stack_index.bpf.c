// SPDX-License-Identifier: GPL-2.0
/*
 * stack_index - write to the stack at an index that nothing bounds
 *
 * The array is on the stack, the index comes from a random number: return addresses are within reach.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: math between fp pointer and register with unbounded min value is not allowed")
NAKED int stack_index(void)
{
	asm volatile("call %[bpf_get_prandom_u32];"
		     "r1 = r10;"
		     "r1 += r0;"
		     "r2 = 1;"
		     "*(u8 *)(r1 - 8) = r2;"
		     "r0 = 2;"
		     "exit;" ::[bpf_get_prandom_u32] "i"(BPF_FUNC_get_prandom_u32)
		     : CLOBBER);
}
