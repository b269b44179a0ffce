// SPDX-License-Identifier: GPL-2.0
/*
 * scx-vtime: weighted fair sharing by virtual time, with one queue for all CPUs.
 *
 * Policy. Every task has a virtual time that advances with its run time divided by its weight. The queue is ordered by virtual
 * time, so the task with the least weighted run time runs next. A global clock follows the largest virtual time that was ever put
 * on a CPU. A task that returns from sleep starts at most one slice behind the clock, so sleeping does not accumulate credit. A
 * task that stayed queued may lag by up to 16 slices, because slices end on ticks and so run long; the limit keeps a task that
 * wakes from waiting for all tasks that are bound to a more crowded CPU. A task that wakes while a CPU is idle runs there at once.
 *
 * Good for: computing loads that share CPUs by weight; a fair scheduler in a page of code.
 *
 * Known weakness: no task is preempted, so a task that wakes waits for the end of the running slice, up to slice_us. The slack of
 * one slice favours tasks that sleep briefly. One queue has one lock, and tasks move between CPUs freely.
 *
 * Deviations from scx_simple of the kernel's tools:
 *  1. A task's use is the difference of the kernel's own count of its run time. scx_simple uses the rest of the slice, and so
 *     charges a whole slice to a task that yields.
 *  2. The kernel chooses an idle CPU (no select_cpu callback), which saves a callback at each wakeup.
 *  3. A task that is queued without having slept may be further behind the clock than a slice. With scx_simple's limit of one
 *     slice, turns that end late cost the heavier tasks a part of their share.
 *  4. A turn costs at most 16 slices more than its length (turn_cost in scx.bpf.h); scx_simple has no bound.
 *
 * The longest wait. A turn of a task of weight 1 costs up to 48 ms of virtual time, which twelve tasks of nice -20 take 50 s to
 * pass. So a task that has waited 2.5 s runs next (wait.bpf.h), whatever the weights: no wait is longer than 5 s with up to 560
 * tasks a CPU. A weight is not enforced where it would mean less than a turn in 2.5 s.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"
#include "wait.bpf.h"

#define QUEUE	 0
#define WAITED	 16 /* slices that a task which waits may be behind the clock */
#define MAX_CPUS 1024

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 3000; /* how long a task may run in a turn */

static u64 vtime_now; /* races lose an update of a few microseconds now and then; the next one makes up for it */
static u64 started[MAX_CPUS]; /* the run time of the task on each CPU when it was put there, ns */

/* A task's virtual time, limited to this many slices behind the clock. */
static __always_inline u64 behind(struct task_struct *p, u64 slices)
{
	u64 least = vtime_now - slices * slice_us * NSEC_PER_USEC;

	return before(p->scx.dsq_vtime, least) ? least : p->scx.dsq_vtime;
}

void SCX_OP(vtime_runnable, struct task_struct *p, u64 enq_flags)
{
	/* A change of affinity or priority also enqueues; a waiting task keeps its lag. */
	if (enq_flags & SCX_ENQ_WAKEUP)
		set_vtime(p, behind(p, 1));
}

void SCX_OP(vtime_enqueue, struct task_struct *p, u64 enq_flags)
{
	dsq_insert_vtime(p, QUEUE, slice_us * NSEC_PER_USEC, behind(p, WAITED), enq_flags);
}

void SCX_OP(vtime_dispatch, s32 cpu, struct task_struct *prev)
{
	if (!wait_over(QUEUE, cpu, vtime_now, 0))
		scx_bpf_dsq_move_to_local(QUEUE, 0);
}

/* Not always called on the CPU that the task is on; nor is stopping. */
void SCX_OP(vtime_running, struct task_struct *p)
{
	u32 cpu = scx_bpf_task_cpu(p);

	if (before(vtime_now, p->scx.dsq_vtime))
		vtime_now = p->scx.dsq_vtime;
	if (cpu < MAX_CPUS)
		started[cpu] = p->se.sum_exec_runtime;
}

void SCX_OP(vtime_stopping, struct task_struct *p, bool runnable)
{
	u32 cpu = scx_bpf_task_cpu(p);

	if (cpu < MAX_CPUS)
		set_vtime(p, p->scx.dsq_vtime +
				 turn_cost(p, p->se.sum_exec_runtime - started[cpu], slice_us * NSEC_PER_USEC));
}

void SCX_OP(vtime_enable, struct task_struct *p)
{
	set_vtime(p, vtime_now);
}

s32 SCX_OP_SLEEPABLE(vtime_init)
{
	wait_init();
	return scx_bpf_create_dsq(QUEUE, -1);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .runnable = (void *)vtime_runnable,
    .enqueue = (void *)vtime_enqueue,
    .dispatch = (void *)vtime_dispatch,
    .running = (void *)vtime_running,
    .stopping = (void *)vtime_stopping,
    .enable = (void *)vtime_enable,
    .init = (void *)vtime_init,
    .exit = (void *)record_exit,
    .name = "scx_vtime",
};
