// SPDX-License-Identifier: GPL-2.0
/*
 * loop_long - eight million rounds
 *
 * It ends.
 */
#include "safety.mod.h"

EXPECT("module harmless");

static int fault(void)
{
	u64 i;

	for (i = 0; i < 1 << 23; i++)
		hide(i);
	return HARMLESS;
}
