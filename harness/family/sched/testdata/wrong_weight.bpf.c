// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_weight: starves tasks of the lowest weight, nice 19 and SCHED_IDLE, while others compute, for tests.
 */
#include "wrong.bpf.h"

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	return p->scx.weight == 1;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .name = "wrong_weight",
};
