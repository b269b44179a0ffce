// SPDX-License-Identifier: GPL-2.0
/*
 * stack_write - write behind an array on the stack
 *
 * The return address is overwritten, and the function returns to it.
 */
#include "safety.mod.h"

EXPECT("module oops");

static NOINLINE int smash(void)
{
	volatile u64 array[2];
	u64 i;

	for (i = 0; i < hide(8); i++)
		array[i] = 0x4141414141414141;
	return array[0];
}

static int fault(void)
{
	smash();
	return UNNOTICED;
}
