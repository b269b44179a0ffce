// SPDX-License-Identifier: GPL-2.0
/*
 * remainder_zero - remainder by a zero that is not known before
 *
 * The same; the result is the dividend.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root harmless 7")
NAKED int remainder_zero(void)
{
	asm volatile("call %[bpf_get_prandom_u32];"
		     "r1 = r0;"
		     "r1 &= 0;"
		     "r0 = 7;"
		     "r0 %%= r1;"
		     "exit;" ::[bpf_get_prandom_u32] "i"(BPF_FUNC_get_prandom_u32)
		     : CLOBBER);
}
