// SPDX-License-Identifier: GPL-2.0
/*
 * loop_endless - a loop without an end
 *
 * Its task never ends, and cannot be killed.
 */
#include "safety.mod.h"

EXPECT("module hang");

static int fault(void)
{
	while (hide(1))
		;
	return UNNOTICED;
}
