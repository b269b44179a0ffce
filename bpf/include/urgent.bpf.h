/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue in order of deadlines, in which urgent tasks preempt others. What a deadline is, the scheduler says: it sets
 * it when a task becomes runnable; everything else, from choosing a CPU to preemption, is the same for all that include
 * this, so that they differ in their judgement alone.
 *
 * Deadlines are points in time, not shares: a task's deadline is the time it became runnable plus the patience that it is
 * expected to have. So nothing starves. Who waits is overtaken only by what comes within its patience.
 */
#ifndef KXLAB_URGENT_BPF_H
#define KXLAB_URGENT_BPF_H

#include "scx.bpf.h"

#define URGENT_QUEUE 0
#define URGENT_CPUS  1024

/* What is known of the task that a CPU runs. */
struct urgent_cpu {
	u64 deadline; /* of the task there, ns */
	u64 started; /* its run time when it was put there, ns */
	u64 pad[6]; /* a cache line each */
};

static struct urgent_cpu urgent_cpus[URGENT_CPUS];

/* What is running on a CPU. The mask is for the verifier: with more CPUs than that, some would share an entry. */
static __always_inline struct urgent_cpu *urgent_cpu(u32 cpu)
{
	return &urgent_cpus[cpu & (URGENT_CPUS - 1)];
}

/*
 * Tells whether a task with this deadline should interrupt what a CPU runs: if that could have waited for margin longer.
 * The other CPU's entry is read without a lock; a stale answer costs one preemption too many or too few.
 */
static __always_inline bool urgent_beats(u64 deadline, s32 cpu, u64 margin)
{
	return before(deadline + margin, urgent_cpu(cpu)->deadline);
}

/*
 * A CPU for a task that wakes: an idle one, to whose own queue it then goes at once; else the last one or this one,
 * whichever runs what can wait longer.
 */
static __always_inline s32 urgent_select_cpu(struct task_struct *p, s32 prev_cpu, u64 wake_flags, u64 slice)
{
	bool idle = false;
	s32 cpu, this_cpu;

	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
	if (idle) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, 0);
		return cpu;
	}
	this_cpu = bpf_get_smp_processor_id();
	if (this_cpu != prev_cpu && before(urgent_cpu(prev_cpu)->deadline, urgent_cpu(this_cpu)->deadline) &&
	    bpf_cpumask_test_cpu(this_cpu, p->cpus_ptr))
		return this_cpu;
	return prev_cpu;
}

/* Queue a task; on the CPU that was chosen for it, at once, if it is more urgent than what runs there. */
static __always_inline void urgent_enqueue(struct task_struct *p, u64 deadline, u64 slice, u64 margin, u64 enq_flags)
{
	if ((enq_flags & SCX_ENQ_WAKEUP) && urgent_beats(deadline, scx_bpf_task_cpu(p), margin))
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, enq_flags | SCX_ENQ_PREEMPT);
	else
		dsq_insert_vtime(p, URGENT_QUEUE, slice, deadline, enq_flags);
}

static __always_inline void urgent_running(struct task_struct *p, u64 deadline)
{
	struct urgent_cpu *c = urgent_cpu(bpf_get_smp_processor_id());

	c->deadline = deadline;
	c->started = p->se.sum_exec_runtime;
}

/* How long the task ran that a CPU gives up, ns. */
static __always_inline u64 urgent_ran(struct task_struct *p)
{
	return p->se.sum_exec_runtime - urgent_cpu(bpf_get_smp_processor_id())->started;
}

/* A mean that forgets: an eighth of the new, seven of the old. */
static __always_inline u64 ewma8(u64 mean, u64 value)
{
	return mean - (mean >> 3) + (value >> 3);
}

/* The logarithm to base 2, times 4, by the leading bit and the two after it; 0 for 0 and 1. At most 255. */
static __always_inline u32 log2x4(u64 v)
{
	u32 shift = 0;
	u64 t = v;

	if (v < 2)
		return 0;
	if (t >> 32) {
		t >>= 32;
		shift += 32;
	}
	if (t >> 16) {
		t >>= 16;
		shift += 16;
	}
	if (t >> 8) {
		t >>= 8;
		shift += 8;
	}
	if (t >> 4) {
		t >>= 4;
		shift += 4;
	}
	if (t >> 2) {
		t >>= 2;
		shift += 2;
	}
	shift += t >> 1;
	return shift * 4 + (shift >= 2 ? (v >> (shift - 2)) & 3 : (v & 1) * 2);
}

#endif
