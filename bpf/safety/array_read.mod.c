// SPDX-License-Identifier: GPL-2.0
/*
 * array_read - read behind the end of an object
 *
 * The neighbour's first byte is read.
 */
#include "safety.mod.h"

EXPECT("module unnoticed");

static int fault(void)
{
	volatile u8 *object = allocate(OBJECT);
	u8 seen = object[hide(OBJECT)];

	_printk("<7>%d\n", seen);
	kfree((void *)object);
	return UNNOTICED;
}
