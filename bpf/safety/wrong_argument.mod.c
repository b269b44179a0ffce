// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_argument - a number where a function wants a pointer
 *
 * The function follows it.
 */
#include "safety.mod.h"

EXPECT("module oops");

static int fault(void)
{
	kfree((void *)hide(0xffff8880f0001230));
	return UNNOTICED;
}
