// SPDX-License-Identifier: GPL-2.0
/*
 * no_stack - read of a stack slot that was never written
 *
 * It holds what the kernel left there.
 */
#include "safety.mod.h"

EXPECT("module unnoticed");

static NOINLINE int look(void)
{
	u64 old[16];
	int i, seen = 0;

	asm volatile("" : "=m"(old));
	for (i = 0; i < 16; i++)
		seen += ((volatile u64 *)old)[i] != 0;
	return seen;
}

static int fault(void)
{
	_printk("<7>%d\n", look());
	return UNNOTICED;
}
