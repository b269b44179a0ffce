// SPDX-License-Identifier: GPL-2.0
/*
 * arena_beyond - writes behind an arena's end
 *
 * The verifier does not bound pointers into an arena. The kernel reserves all that 32 bits can address, and as much around it as an
 * instruction's offset can reach. An access without a page faults, and the fault is caught: a write does nothing, a read gives 0.
 */
#include "arena.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("syscall")
EXPECT("root@6.9 harmless 0")
EXPECT("bpf@6.9 refused: CAP_BPF and CAP_PERFMON are required to use arena")
NAKED int arena_beyond(void)
{
	asm volatile("r1 = %[arena] ll;"
		     "r0 = 7;"
		     "r2 = %[behind];"
		     "r2 = addr_space_cast(r2, 0, 1);"
		     "*(u64 *)(r2 + 0) = r0;"
		     "r3 = -1;" /* the last byte of 4 GB */
		     "r3 = addr_space_cast(r3, 0, 1);"
		     "*(u64 *)(r3 + 32767) = r0;"
		     "r4 = 0;" /* the first */
		     "r4 = addr_space_cast(r4, 0, 1);"
		     "*(u64 *)(r4 - 32768) = r0;"
		     "r0 = *(u64 *)(r2 + 0);"
		     "exit;" ::[arena] "i"(&arena),
		     [behind] "i"(ARENA_AT + ARENA_PAGES * ARENA_PAGE)
		     : CLOBBER);
}
