// SPDX-License-Identifier: GPL-2.0
/*
 * may_goto - a loop that the kernel ends by itself
 *
 * The newest way to loop without a bound (since 6.9): the program counts down a budget and leaves when it is used up.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("tc")
EXPECT("root@6.9 harmless 0")
NAKED int may_goto(void)
{
	asm volatile("r0 = 0;"
		     "l0_%=:"
		     ".8byte 0x00000000000100e5;" /* may_goto +1 */
		     "goto l0_%=;"
		     "exit;" ::
			 : CLOBBER);
}
