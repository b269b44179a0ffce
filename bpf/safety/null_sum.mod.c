// SPDX-License-Identifier: GPL-2.0
/*
 * null_sum - arithmetic on a pointer before its check
 *
 * The sum is not null.
 */
#include "safety.mod.h"

EXPECT("module oops: NULL pointer dereference");

static int fault(void)
{
	u64 pointer = hide(0) + 4;

	return pointer && *(volatile u8 *)pointer ? UNNOTICED : HARMLESS;
}
