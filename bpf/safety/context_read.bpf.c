// SPDX-License-Identifier: GPL-2.0
/*
 * context_read - read behind the end of the context
 *
 * Behind it lies the kernel's own state of the packet.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: invalid bpf_context access")
NAKED int context_read(void)
{
	asm volatile("r0 = *(u32 *)(r1 + 64);"
		     "exit;" ::
			 : CLOBBER);
}
