// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_sleep: starves a task that has slept for longer than 100 ms, for tests.
 */
#include "wrong.bpf.h"

static u64 stopped[NOTES]; /* when each task last left a CPU, ns; 0: never */
static __u8 slept[NOTES];

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	u32 i = slot(p);

	if ((enq_flags & SCX_ENQ_WAKEUP) && stopped[i] && now_ns() - stopped[i] > 100 * NSEC_PER_MSEC)
		slept[i] = 1;
	return slept[i];
}

void SCX_OP(wrong_stopping, struct task_struct *p, bool runnable)
{
	stopped[slot(p)] = now_ns();
}

void SCX_OP(wrong_enable, struct task_struct *p)
{
	u32 i = slot(p);

	stopped[i] = 0;
	slept[i] = 0;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .stopping = (void *)wrong_stopping,
    .enable = (void *)wrong_enable,
    .name = "wrong_sleep",
};
