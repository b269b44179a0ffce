// SPDX-License-Identifier: GPL-2.0
/*
 * shift_far - a shift by more bits than there are
 *
 * This processor shifts by the number's low bits: another result than on others.
 */
#include "safety.mod.h"

EXPECT("module unnoticed");

static int fault(void)
{
	return hide(7) << hide(64) ? UNNOTICED : HARMLESS;
}
