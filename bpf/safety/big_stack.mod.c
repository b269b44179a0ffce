// SPDX-License-Identifier: GPL-2.0
/*
 * big_stack - a stack larger than the kernel's
 *
 * 20 KiB of 16.
 */
#include "safety.mod.h"

EXPECT("module oops");

static NOINLINE int fill(u64 n)
{
	volatile u8 room[20 << 10];
	u64 i;

	for (i = n; i > 0; i--)
		room[i - 1] = i;
	return room[0];
}

static int fault(void)
{
	_printk("<7>%d\n", fill(hide(20 << 10)));
	return UNNOTICED;
}
