// SPDX-License-Identifier: GPL-2.0
/*
 * pointer_returned - a kernel pointer as the return value
 *
 * The same by another way: user space that runs the program sees half of the address.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root leak")
EXPECT("bpf refused: R0 leaks addr as return value")
NAKED int pointer_returned(void)
{
	asm volatile("r0 = r1;"
		     "exit;" ::
			 : CLOBBER);
}
