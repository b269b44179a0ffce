// SPDX-License-Identifier: GPL-2.0
/*
 * scx-batch: as few switches as possible.
 *
 * Policy. One queue in order of arrival, and long slices: a task that computes keeps its CPU for slice_us, whoever wakes
 * meanwhile. Who used up a slice goes to the end, and if nobody waits goes on at once. A task that wakes is put on an idle
 * CPU if there is one; nothing is ever preempted. Where more than 20 wait, slices shrink, so that all have a turn in round_ms.
 *
 * Good for: throughput of loads that compute in large working sets, where every switch costs a cache; compilers,
 * renderers, encoders.
 *
 * Known weakness: latency. One task that computes delays all others on its CPU by a whole slice, so servers and desktops
 * beside it crawl. No weights.
 *
 * The longest wait. A slice ends with a tick, up to 4 ms late. Of n tasks that wait for one CPU, whatever their weights, each runs
 * within round_ms + n * 4 ms, or n * slice_us if that is less: 5 s hold for 700 tasks a CPU. A task whose affinity or priority is
 * changed while it waits goes to the end again, and for it nothing is promised.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

#define QUEUE 0

const volatile u32 slice_us = 100000; /* how long a task may run in a turn */
const volatile u32 round_ms = 2000; /* in which all that wait shall have had a turn; they may then have shorter ones */

void SCX_OP(batch_enqueue, struct task_struct *p, u64 enq_flags)
{
	/* Threads of the kernel that serve one CPU do work that others wait for, and a few microseconds of it. */
	u64 queue = (p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1 ? SCX_DSQ_LOCAL : QUEUE;

	scx_bpf_dsq_insert(p, queue, slice_us * NSEC_PER_USEC, enq_flags);
}

void SCX_OP(batch_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE, 0);
}

void SCX_OP(batch_running, struct task_struct *p)
{
	s32 waiting = scx_bpf_dsq_nr_queued(QUEUE);
	u64 most;

	if (waiting <= 0)
		return;
	most = round_ms * NSEC_PER_MSEC / ((u32)waiting + 1);
	if (p->scx.slice > most)
		set_slice(p, most);
}

s32 SCX_OP_SLEEPABLE(batch_init)
{
	return scx_bpf_create_dsq(QUEUE, -1);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)batch_enqueue,
    .dispatch = (void *)batch_dispatch,
    .running = (void *)batch_running,
    .init = (void *)batch_init,
    .exit = (void *)record_exit,
    .name = "scx_batch",
};
