// SPDX-License-Identifier: GPL-2.0
/*
 * scx-percpu: a queue for every CPU, with work stealing.
 *
 * Policy. A task that wakes is put on an idle CPU if there is one, preferably its last. Otherwise it goes to the end of the queue
 * of the CPU where it last ran. A CPU serves its own queue in order of arrival. When that is empty it takes the oldest task that
 * may run on it from the queue of the next CPU that has one. When a task is queued behind others, an idle CPU that may take it is
 * woken, if there is one.
 *
 * Good for: many CPUs and short tasks: while all CPUs are busy no lock is shared, and a task finds its cache warm.
 *
 * Known weakness: queues are balanced only when one is empty, so two computing tasks may share a CPU while a third has another for
 * itself, as long as all three compute. No weights and no preemption: a task that wakes waits for the queue of its CPU. The search
 * for work visits every CPU's queue.
 *
 * The longest wait. A slice ends with a tick, after at most 8 ms. A task behind n others in its CPU's queue, whatever their
 * weights, runs within n * 8 ms: within 5 s for up to 600 tasks a queue, by the order alone. A task whose affinity or priority
 * changes while it waits keeps its place (arrival.bpf.h).
 */
enum sched_stat {
	STAT_QUEUED, /* tasks put into a CPU's queue */
	STAT_STOLEN, /* tasks taken from another CPU's queue */
	SCHED_STATS,
};

#include "scx.bpf.h"
#include "schedexit.bpf.h"
#include "arrival.bpf.h"
#include "schedstats.bpf.h"

#define MAX_CPUS 1024

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 5000; /* how long a task may run in a turn */

static u32 ncpu; /* queue c is CPU c's, 0 <= c < ncpu */

void SCX_OP(percpu_enqueue, struct task_struct *p, u64 enq_flags)
{
	u64 queue = scx_bpf_task_cpu(p);
	s32 idle;

	arrival_insert(p, queue, slice_us * NSEC_PER_USEC, enq_flags);
	count(STAT_QUEUED);
	if (ncpu == 1 || p->nr_cpus_allowed == 1)
		return;
	idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
}

/* Try to take a task from the queue of the CPU that is i + 1 behind; 1 ends the search. */
static int steal(u32 i, s32 *cpu)
{
	u32 victim = *cpu + 1 + i;

	if (victim >= ncpu)
		victim -= ncpu;
	if (scx_bpf_dsq_nr_queued(victim) <= 0 || !scx_bpf_dsq_move_to_local(victim, 0))
		return 0;
	count(STAT_STOLEN);
	return 1;
}

void SCX_OP(percpu_dispatch, s32 cpu, struct task_struct *prev)
{
	if (!scx_bpf_dsq_move_to_local(cpu, 0) && ncpu > 1)
		bpf_loop(ncpu - 1, steal, &cpu, 0);
}

void SCX_OP(percpu_running, struct task_struct *p)
{
	arrival_reset(p);
}

void SCX_OP(percpu_enable, struct task_struct *p)
{
	arrival_reset(p);
}

s32 SCX_OP_SLEEPABLE(percpu_init)
{
	s32 err;
	u32 i;

	ncpu = scx_bpf_nr_cpu_ids();
	for (i = 0; i < ncpu && i < MAX_CPUS; i++) {
		err = scx_bpf_create_dsq(i, -1);
		if (err)
			return err;
	}
	return 0;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)percpu_enqueue,
    .dispatch = (void *)percpu_dispatch,
    .running = (void *)percpu_running,
    .enable = (void *)percpu_enable,
    .init = (void *)percpu_init,
    .exit = (void *)record_exit,
    .name = "scx_percpu",
};
