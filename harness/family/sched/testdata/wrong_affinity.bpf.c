// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_affinity: takes the CPU that running and stopping are called on for the task's own, for tests. The kernel calls both from
 * another CPU when a running task's affinity or priority is changed there. The run time is then the difference of two
 * tasks' and may be less than nothing; a task that seems to have used a second in a turn of 3 ms is starved.
 */
#include "wrong.bpf.h"

#define MAX_CPUS 1024

static u64 started[MAX_CPUS]; /* the run time of the task on each CPU when it was put there, ns */
static __u8 overdrawn[NOTES];

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	return overdrawn[slot(p)];
}

void SCX_OP(wrong_running, struct task_struct *p)
{
	started[bpf_get_smp_processor_id() & (MAX_CPUS - 1)] = p->se.sum_exec_runtime;
}

void SCX_OP(wrong_stopping, struct task_struct *p, bool runnable)
{
	u64 used = p->se.sum_exec_runtime - started[bpf_get_smp_processor_id() & (MAX_CPUS - 1)];

	if (used > 1000 * NSEC_PER_MSEC)
		overdrawn[slot(p)] = 1;
}

void SCX_OP(wrong_enable, struct task_struct *p)
{
	overdrawn[slot(p)] = 0;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .running = (void *)wrong_running,
    .stopping = (void *)wrong_stopping,
    .enable = (void *)wrong_enable,
    .name = "wrong_affinity",
};
