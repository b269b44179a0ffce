// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_exits: keeps a table of the tasks that were forked, never frees the place of one that has ended, and starves those that come
 * when the table is full, for tests.
 */
#include "wrong.bpf.h"

#define PLACES 60

static u32 taken; /* places of the table */
static __u8 outside[NOTES]; /* whether each task found no place */

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	return outside[slot(p)];
}

/* Forks are one at a time here, on one CPU. */
s32 SCX_OP(wrong_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	outside[slot(p)] = 0;
	if (!args->fork)
		return 0;
	if (taken < PLACES)
		taken++;
	else
		outside[slot(p)] = 1;
	return 0;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .init_task = (void *)wrong_init_task,
    .name = "wrong_exits",
};
