// SPDX-License-Identifier: GPL-2.0
/*
 * sound - the control: a module without a fault
 *
 * It loads, does nothing, and goes.
 */
#include "safety.mod.h"

EXPECT("module harmless");

static int fault(void)
{
	return HARMLESS;
}
