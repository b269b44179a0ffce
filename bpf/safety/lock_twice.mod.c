// SPDX-License-Identifier: GPL-2.0
/*
 * lock_twice - the same lock taken twice
 *
 * The second attempt waits for ever, with preemption off.
 */
#include "safety.mod.h"

EXPECT("module hang: soft lockup");

static u32 lock;

static int fault(void)
{
	_raw_spin_lock(&lock);
	_raw_spin_lock(&lock);
	return UNNOTICED;
}
