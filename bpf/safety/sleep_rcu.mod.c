// SPDX-License-Identifier: GPL-2.0
/*
 * sleep_rcu - a sleep within a read section of RCU
 *
 * Memory of the whole machine is no longer freed meanwhile.
 */
#include "safety.mod.h"

EXPECT("module oops: WARNING: ");

static int fault(void)
{
	if (!rcu_read_lock)
		return HARMLESS;
	rcu_read_lock();
	msleep(1);
	return UNNOTICED;
}
