// SPDX-License-Identifier: GPL-2.0
/*
 * recursion - a function that calls itself
 *
 * Until the stack ends.
 */
#include "safety.mod.h"

EXPECT("module oops");

static NOINLINE u64 down(u64 n)
{
	volatile u64 left = hide(n);

	return left ? down(left - 1) + left : 0;
}

static int fault(void)
{
	_printk("<7>%lu\n", down(1 << 20));
	return UNNOTICED;
}
