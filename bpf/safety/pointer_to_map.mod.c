// SPDX-License-Identifier: GPL-2.0
/*
 * pointer_to_map - a kernel pointer where user space reads it
 *
 * In the kernel's log.
 */
#include "safety.mod.h"

EXPECT("module leak");

static int fault(void)
{
	_printk("<6>%px\n", (void *)&allocators);
	return LEAKED;
}
