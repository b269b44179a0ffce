// SPDX-License-Identifier: GPL-2.0
/*
 * off_by_one - a bound that lets one index too many through
 *
 * One byte of the neighbour's is written.
 */
#include "safety.mod.h"

EXPECT("module corruption");

static int fault(void)
{
	int low, high = neighbours(&low);
	u64 i;

	if (high < 0)
		return UNNOTICED;
	for (i = 0; i <= hide(OBJECT); i++)
		((volatile u8 *)objects[low])[i] = 1;
	return *(volatile u8 *)objects[high] ? CORRUPTED : UNNOTICED;
}
