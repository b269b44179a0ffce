// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_yield: starves a task that has called sched_yield, for tests.
 */
#include "wrong.bpf.h"

static __u8 yielded[NOTES];

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	return yielded[slot(p)];
}

bool SCX_OP(wrong_yield, struct task_struct *from, struct task_struct *to)
{
	if (to) /* yield_to of another: not for this */
		return false;
	yielded[slot(from)] = 1;
	set_slice(from, 0);
	return true;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .yield = (void *)wrong_yield,
    .name = "wrong_yield",
};
