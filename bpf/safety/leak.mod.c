// SPDX-License-Identifier: GPL-2.0
/*
 * leak - an object that is never freed
 *
 * A megabyte is gone until the machine is started again.
 */
#include "safety.mod.h"

EXPECT("module unnoticed");

static int fault(void)
{
	return allocate(1 << 20) ? UNNOTICED : HARMLESS;
}
