// SPDX-License-Identifier: GPL-2.0
/*
 * loop_endless - a loop without an end
 *
 * The CPU would never come back.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: infinite loop detected")
NAKED int loop_endless(void)
{
	asm volatile("call %[bpf_get_prandom_u32];"
		     "r1 = r0;"
		     "r0 = 2;"
		     "l0_%=:"
		     "if r1 != 0 goto l0_%=;"
		     "exit;" ::[bpf_get_prandom_u32] "i"(BPF_FUNC_get_prandom_u32)
		     : CLOBBER);
}
