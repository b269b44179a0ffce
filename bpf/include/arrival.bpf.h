/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues in order of arrival that keep a task's place. When a waiting task's affinity, priority or group is changed, the kernel takes
 * it out of its queue and queues it again: in a plain queue it goes to the end each time, and a task changed often enough never
 * runs. Here the order is by the time at which a task began to wait. The time lies in the task's vtime, 0 while it does not wait.
 */
#ifndef KXLAB_ARRIVAL_BPF_H
#define KXLAB_ARRIVAL_BPF_H

#include "scx.bpf.h"

/* Queue a task behind those that began to wait before it. Queues of this kind take no other insertion. */
static __always_inline void arrival_insert(struct task_struct *p, u64 queue, u64 slice, u64 enq_flags)
{
	u64 at = p->scx.dsq_vtime;

	if (!at) {
		at = now_ns();
		set_vtime(p, at);
	}
	dsq_insert_vtime(p, queue, slice, at, enq_flags);
}

/* To be called in running, and in enable. */
static __always_inline void arrival_reset(struct task_struct *p)
{
	if (p->scx.dsq_vtime)
		set_vtime(p, 0);
}

#endif
