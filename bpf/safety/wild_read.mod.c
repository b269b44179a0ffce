// SPDX-License-Identifier: GPL-2.0
/*
 * wild_read - read through a number
 *
 * There is no memory at the address.
 */
#include "safety.mod.h"

EXPECT("module oops: unable to handle page fault");

static int fault(void)
{
	return *(volatile u8 *)hide(0xffff8880f0000000) ? UNNOTICED : HARMLESS;
}
