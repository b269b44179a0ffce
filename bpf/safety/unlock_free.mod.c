// SPDX-License-Identifier: GPL-2.0
/*
 * unlock_free - a lock that is given back without being held
 *
 * Preemption is on once more than it was off.
 */
#include "safety.mod.h"

EXPECT("module oops: preemption imbalance");

static u32 lock;

static int fault(void)
{
	_raw_spin_unlock(&lock);
	return UNNOTICED;
}
