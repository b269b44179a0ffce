// SPDX-License-Identifier: GPL-2.0
/*
 * wild_write - write through a number
 *
 * The number is the address of an object with another owner.
 */
#include "safety.mod.h"

EXPECT("module corruption");

static int fault(void)
{
	u64 *others = allocate(OBJECT);

	*(volatile u64 *)others = 0;
	*(volatile u64 *)hide((u64)others) = 1;
	return *(volatile u64 *)others ? CORRUPTED : UNNOTICED;
}
