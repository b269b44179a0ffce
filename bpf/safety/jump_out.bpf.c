// SPDX-License-Identifier: GPL-2.0
/*
 * jump_out - a jump out of the program
 *
 * The CPU would execute bytes that are no program.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: jump out of range")
NAKED int jump_out(void)
{
	asm volatile("r0 = 2;"
		     "goto +1000;"
		     "exit;" ::
			 : CLOBBER);
}
