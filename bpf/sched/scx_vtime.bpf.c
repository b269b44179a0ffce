// SPDX-License-Identifier: GPL-2.0
/*
 * scx-vtime: weighted fair sharing by virtual time, with one queue for all CPUs.
 *
 * Policy. Every task has a virtual time that advances, while it runs, with its run time divided by its weight. The queue is
 * ordered by it: who had least, for its weight, runs next. A global clock follows the largest virtual time that was ever
 * put on a CPU; a task that comes back from sleep starts at most one slice behind it, so that sleeping does not pile up
 * credit. Who waited its turn may be further behind, as turns end with the kernel's ticks, often late: 16 slices, so that who wakes
 * does not wait longer for all those that are bound to a more crowded CPU. A task that wakes while a CPU is idle runs there at once.
 *
 * Good for: loads that compute and shall share CPUs by weight; showing that fairness takes a page of code.
 *
 * Known weakness: nothing is preempted, so a task that wakes waits for the end of the slice that is running, up to
 * slice_us. The slack of one slice favours tasks that sleep a little. One queue has one lock, and tasks move between CPUs
 * freely.
 *
 * Deviations from scx_simple of the kernel's tools:
 *  1. What a task used is the difference of the kernel's own count of its run time. scx_simple takes what is left of the
 *     slice, and so charges a whole slice to who yields.
 *  2. Placement on an idle CPU is left to the kernel (no select_cpu callback): one callback less a wake-up.
 *  3. Who is put into the queue without having slept may be further behind the clock than a slice: with scx_simple's one slice,
 *     turns that end late cost the heavier tasks what they are owed.
 *  4. A turn costs at most 16 slices more than it took (turn_cost in scx.bpf.h), where scx_simple knows no bound.
 *
 * The longest wait. A task of weight 1 owes up to 48 ms of virtual time for a turn, which twelve tasks of nice -20 take 50 s to pass. So
 * a task that has waited 2.5 s runs next (wait.bpf.h), whatever its weight and theirs: no wait is longer than 5 s with up to 560 tasks
 * a CPU. A task's weight is not held where it would mean less than a turn in 2.5 s.
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

/* What a task has of virtual time if it may be behind the clock by so many slices. */
static __always_inline u64 behind(struct task_struct *p, u64 slices)
{
	u64 least = vtime_now - slices * slice_us * NSEC_PER_USEC;

	return before(p->scx.dsq_vtime, least) ? least : p->scx.dsq_vtime;
}

void SCX_OP(vtime_runnable, struct task_struct *p, u64 enq_flags)
{
	/* A change of affinity or priority comes here too; a task that waits keeps what it is owed. */
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
