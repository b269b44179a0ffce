// SPDX-License-Identifier: GPL-2.0
/*
 * array_write - write behind the end of an object
 *
 * The neighbour's first eight bytes are written.
 */
#include "safety.mod.h"

EXPECT("module corruption");

static int fault(void)
{
	int low, high = neighbours(&low);

	if (high < 0)
		return UNNOTICED;
	*(volatile u64 *)(objects[low] + hide(OBJECT)) = 1;
	return *(volatile u64 *)objects[high] ? CORRUPTED : UNNOTICED;
}
