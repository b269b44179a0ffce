// SPDX-License-Identifier: GPL-2.0
/*
 * no_register - use of a register that was never written
 *
 * It holds what the kernel computed last: a secret, or an address.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: R3 !read_ok")
NAKED int no_register(void)
{
	asm volatile("r0 = r3;"
		     "exit;" ::
			 : CLOBBER);
}
