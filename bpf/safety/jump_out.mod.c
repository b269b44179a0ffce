// SPDX-License-Identifier: GPL-2.0
/*
 * jump_out - a jump to where there is no code
 *
 * Through a function pointer that was overwritten.
 */
#include "safety.mod.h"

EXPECT("module oops");

static int fault(void)
{
	((void (*)(void))hide(0xffff8880f0000000))();
	return UNNOTICED;
}
