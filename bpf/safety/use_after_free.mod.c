// SPDX-License-Identifier: GPL-2.0
/*
 * use_after_free - write to an object that was freed
 *
 * It has another owner already.
 */
#include "safety.mod.h"

EXPECT("module corruption");

static int fault(void)
{
	volatile u64 *old = allocate(OBJECT), *other;

	kfree((void *)old);
	other = allocate(OBJECT);
	*other = 0;
	*old = 1;
	return *other ? CORRUPTED : UNNOTICED;
}
