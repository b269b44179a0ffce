// SPDX-License-Identifier: GPL-2.0
/*
 * divide_zero - division by zero
 *
 * The processor's exception.
 */
#include "safety.mod.h"

EXPECT("module oops: divide error");

static int fault(void)
{
	volatile u64 quotient = hide(7) / hide(0);

	return quotient ? UNNOTICED : HARMLESS;
}
