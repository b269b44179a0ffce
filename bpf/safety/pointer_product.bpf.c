// SPDX-License-Identifier: GPL-2.0
/*
 * pointer_product - arithmetic that makes a pointer of anything
 *
 * A pointer times two points nowhere known.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: R1 pointer arithmetic with *= operator prohibited")
NAKED int pointer_product(void)
{
	asm volatile("r1 *= 2;"
		     "r0 = *(u32 *)(r1 + 0);"
		     "exit;" ::
			 : CLOBBER);
}
