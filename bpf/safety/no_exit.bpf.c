// SPDX-License-Identifier: GPL-2.0
/*
 * no_exit - a program that does not end in an exit
 *
 * The CPU would go on into what lies behind.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: last insn is not an exit or jmp")
NAKED int no_exit(void)
{
	asm volatile("r0 = 2;" ::: CLOBBER);
}
