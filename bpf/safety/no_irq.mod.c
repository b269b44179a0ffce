// SPDX-License-Identifier: GPL-2.0
/*
 * no_irq - interrupts that are turned off and not on again
 *
 * The loader of modules looks for that, too.
 */
#include "safety.mod.h"

EXPECT("module oops: disabled interrupts");

static int fault(void)
{
	asm volatile("cli" ::: "memory");
	return UNNOTICED;
}
