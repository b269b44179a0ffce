// SPDX-License-Identifier: GPL-2.0
/*
 * free_foreign - release of memory that was not allocated
 *
 * It is a variable of the module's.
 */
#include "safety.mod.h"

EXPECT("module oops");

static u64 variable[64];

static int fault(void)
{
	kfree((void *)hide((u64)variable));
	return UNNOTICED;
}
