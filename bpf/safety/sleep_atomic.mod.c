// SPDX-License-Identifier: GPL-2.0
/*
 * sleep_atomic - a sleep while a spin lock is held
 *
 * Another CPU that wants the lock would spin until the sleeper wakes.
 */
#include "safety.mod.h"

EXPECT("module oops: scheduling while atomic");

static u32 lock;

static int fault(void)
{
	_raw_spin_lock(&lock);
	msleep(1);
	_raw_spin_unlock(&lock);
	return UNNOTICED;
}
