// SPDX-License-Identifier: GPL-2.0
/*
 * no_unlock - a lock that is not given back
 *
 * Preemption stays off. The loader of modules looks for that.
 */
#include "safety.mod.h"

EXPECT("module oops: preemption imbalance");

static u32 lock;

static int fault(void)
{
	_raw_spin_lock(&lock);
	return UNNOTICED;
}
