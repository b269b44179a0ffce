// SPDX-License-Identifier: GPL-2.0
/*
 * scx-batch: as few context switches as possible.
 *
 * Policy. One queue in order of arrival, and long slices: a computing task keeps its CPU for slice_us, whichever tasks wake
 * meanwhile. A task that used up its slice goes to the end of the queue; if the queue is empty it continues at once. A task that
 * wakes is put on an idle CPU if there is one; no task is preempted. If more than 20 tasks wait, slices shrink so that each has a
 * turn within round_ms.
 *
 * Good for: the throughput of computations with large working sets, where every switch costs a cache; compilers, renderers,
 * encoders.
 *
 * Known weakness: latency. A computing task delays all others on its CPU by a whole slice, so servers and desktops on the same
 * CPUs respond slowly. No weights.
 *
 * The longest wait. A slice ends with a tick, up to 4 ms late. Of n tasks that wait for one CPU, whatever their weights, each runs
 * within round_ms + n * 4 ms, or n * slice_us if that is less: within 5 s for up to 700 tasks a CPU. A task whose affinity or
 * priority changes while it waits keeps its place (arrival.bpf.h).
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"
#include "arrival.bpf.h"

char _license[] SEC("license") = "GPL";

#define QUEUE 0

const volatile u32 slice_us = 100000; /* how long a task may run in a turn */
const volatile u32 round_ms = 2000; /* in which all that wait shall have had a turn; they may then have shorter ones */

void SCX_OP(batch_enqueue, struct task_struct *p, u64 enq_flags)
{
	/* Threads of the kernel that serve one CPU do work that others wait for, and a few microseconds of it. */
	if ((p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice_us * NSEC_PER_USEC, enq_flags);
	else
		arrival_insert(p, QUEUE, slice_us * NSEC_PER_USEC, enq_flags);
}

void SCX_OP(batch_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(QUEUE, 0);
}

void SCX_OP(batch_running, struct task_struct *p)
{
	s32 waiting = scx_bpf_dsq_nr_queued(QUEUE);
	u64 most;

	arrival_reset(p);
	if (waiting <= 0)
		return;
	most = round_ms * NSEC_PER_MSEC / ((u32)waiting + 1);
	if (p->scx.slice > most)
		set_slice(p, most);
}

void SCX_OP(batch_enable, struct task_struct *p)
{
	arrival_reset(p);
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
    .enable = (void *)batch_enable,
    .init = (void *)batch_init,
    .exit = (void *)record_exit,
    .name = "scx_batch",
};
