// SPDX-License-Identifier: GPL-2.0
/*
 * divide_zero - division by a zero that is not known before
 *
 * On this processor a division by zero is an exception. The verifier puts a test before each division: the result is 0.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root harmless 0")
NAKED int divide_zero(void)
{
	asm volatile("call %[bpf_get_prandom_u32];"
		     "r1 = r0;"
		     "r1 &= 0;"
		     "r0 = 7;"
		     "r0 /= r1;"
		     "exit;" ::[bpf_get_prandom_u32] "i"(BPF_FUNC_get_prandom_u32)
		     : CLOBBER);
}
