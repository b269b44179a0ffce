// SPDX-License-Identifier: GPL-2.0
/*
 * double_free - an object that is freed twice
 *
 * Two owners get the same object afterwards, unless the allocator looks.
 */
#include "safety.mod.h"

EXPECT("module oops: kernel BUG at");
EXPECT("module@7.2 corruption");

static int fault(void)
{
	void *object = allocate(OBJECT), *a, *b;

	kfree(object);
	kfree((void *)hide((u64)object));
	a = allocate(OBJECT);
	b = allocate(OBJECT);
	return a == b ? CORRUPTED : UNNOTICED;
}
