// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_burst: starves a task that comes when more than sixty wait already, for tests.
 */
#include "wrong.bpf.h"

static __u8 late[NOTES];

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	if (scx_bpf_dsq_nr_queued(SERVED) > 60)
		late[slot(p)] = 1;
	return late[slot(p)];
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .name = "wrong_burst",
};
