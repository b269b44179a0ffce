// SPDX-License-Identifier: GPL-2.0
/*
 * lock_twice - the same lock taken twice
 *
 * The second attempt waits for ever for the first to be undone. The lock is one whose waiters sleep, so that the machine goes on.
 */
#include "safety.mod.h"

EXPECT("module hang");

static u64 lock[32]; /* room for any kernel's struct rw_semaphore */

void __init_rwsem(void *lock, const char *name, void *key);
void down_write(void *lock);

static int fault(void)
{
	__init_rwsem(lock, "kxlab", 0);
	down_write(lock);
	down_write(lock);
	return UNNOTICED;
}
