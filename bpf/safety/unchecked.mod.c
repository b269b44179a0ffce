// SPDX-License-Identifier: GPL-2.0
/*
 * unchecked - a pointer that is not checked
 *
 * A lookup that finds nothing gives it.
 */
#include "safety.mod.h"

EXPECT("module oops: NULL pointer dereference");

static int fault(void)
{
	return *(volatile u64 *)hide(0) ? UNNOTICED : HARMLESS;
}
