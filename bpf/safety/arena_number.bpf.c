// SPDX-License-Identifier: GPL-2.0
/*
 * arena_number - user space's address of arena memory, used as it is
 *
 * An arena is memory that a program shares with user space (since 6.9). Pointers in it are user space's; a program has to convert
 * them before it follows them, else it reads user memory of whatever task runs.
 */
#include "arena.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("syscall")
EXPECT("root@6.9 refused: R1 invalid mem access 'scalar'")
EXPECT("bpf@6.9 refused: CAP_BPF and CAP_PERFMON are required to use arena")
NAKED int arena_number(void)
{
	asm volatile("r1 = %[arena] ll;"
		     "r1 = 0x10000000;"
		     "r0 = *(u64 *)(r1 + 0);"
		     "exit;" ::[arena] "i"(&arena)
		     : CLOBBER);
}
