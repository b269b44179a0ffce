// SPDX-License-Identifier: GPL-2.0
/*
 * read_only - write to a constant
 *
 * The page is for reading.
 */
#include "safety.mod.h"

EXPECT("module oops: unable to handle page fault");

static const u64 constants[64] = {1, 2, 3};

static int fault(void)
{
	*(volatile u64 *)hide((u64)constants) = 4;
	return UNNOTICED;
}
