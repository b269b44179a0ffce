/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two queues: one of tasks that serve, which go first and interrupt who computes, and one of tasks that compute, which share
 * what is left by weight and are owed a part of the time. Who serves and who computes, the scheduler says; everything
 * else is the same for all that include this, so that they differ in their judgement alone.
 *
 * What is owed. While tasks serve, a debt to those that compute grows, by owed_percent of the time. Once it has come to a
 * slice, a task that computes runs next, for a slice, and is not interrupted. So nobody starves, and who serves waits for at
 * most a slice more than for the others that serve. Time that nobody who computes waited for is not owed. Every CPU has a debt of its
 * own: what one pays does not help a task that is bound to another.
 *
 * Where a task is put down as computing is the lowest bit of its vtime, which those that serve do not need otherwise: to read
 * it costs nothing.
 */
#ifndef KXLAB_URGENT_BPF_H
#define KXLAB_URGENT_BPF_H

#include "scx.bpf.h"
#include "wait.bpf.h"

#define SERVING	    0
#define COMPUTING   1
#define URGENT_CPUS 1024

const volatile u32 slice_us =
    2000; /* how long a task may run in a turn, and serve without being put down as computing */
const volatile u32 owed_percent = 25; /* of the time in which both kinds want to run; below 100 */

/* What a CPU runs. */
struct urgent_cpu {
	u64 started; /* the run time of the task there when it was put there, ns */
	s64 debt; /* what it owes to tasks that compute, ns; less than 0: they had more than their part */
	u32 computing; /* the task there computes */
	u32 owed; /* and is owed the time */
	u32 helped; /* the last turn went to a task that had waited too long */
	u32 pad[9]; /* a cache line each */
};

static struct urgent_cpu urgent_cpus[URGENT_CPUS];
static bool urgent_alone; /* there is one CPU only */
static u32 urgent_victim; /* the last CPU on which a computing task was put */
static u64 urgent_clock; /* the largest vtime that was put on a CPU; races lose an update, the next makes up for it */

/* What is running on a CPU. The mask is for the verifier: with more CPUs than that, some would share an entry. */
static __always_inline struct urgent_cpu *urgent_cpu(u32 cpu)
{
	return &urgent_cpus[cpu & (URGENT_CPUS - 1)];
}

static __always_inline u64 urgent_slice(void)
{
	return slice_us * NSEC_PER_USEC;
}

static __always_inline bool urgent_computes(struct task_struct *p)
{
	return p->scx.dsq_vtime & COMPUTING;
}

/* Tells whether a task that serves should interrupt what a CPU runs. A stale answer costs one preemption too many or too few. */
static __always_inline bool urgent_beats(u32 cpu)
{
	struct urgent_cpu *c = urgent_cpu(cpu);

	/* owed does not last into the turn of a task that came after one that computes: stopping is called after dispatch. */
	return c->computing && !c->owed && !c->helped;
}

static __always_inline u64 urgent_vtime(struct task_struct *p)
{
	u64 vtime = p->scx.dsq_vtime;

	if (before(vtime, urgent_clock - urgent_slice()))
		vtime = urgent_clock - urgent_slice();
	return vtime;
}

/* Queue a task; one that serves and wakes, on a CPU at once if that computes. */
static __always_inline void urgent_enqueue(struct task_struct *p, u64 enq_flags)
{
	u64 slice = urgent_slice();
	u32 cpu, other;

	if (urgent_computes(p)) {
		dsq_insert_vtime(p, COMPUTING, slice, urgent_vtime(p), enq_flags);
		return;
	}
	cpu = scx_bpf_task_cpu(p);
	if (enq_flags & SCX_ENQ_WAKEUP) {
		if (urgent_beats(cpu)) {
			scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, enq_flags | SCX_ENQ_PREEMPT);
			return;
		}
		other = urgent_victim;
		if (other != cpu && urgent_beats(other) && bpf_cpumask_test_cpu(other, p->cpus_ptr)) {
			scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | other, slice, enq_flags | SCX_ENQ_PREEMPT);
			return;
		}
	}
	/*
	 * Who can run on one CPU only may as well wait in that CPU's own queue, which costs less; but not while something is
	 * owed, because that queue comes before dispatch.
	 */
	if ((urgent_alone || p->nr_cpus_allowed == 1) && urgent_cpu(cpu)->debt < (s64)slice)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, enq_flags);
	else
		scx_bpf_dsq_insert(p, SERVING, slice, enq_flags);
}

static __always_inline void urgent_dispatch(s32 cpu)
{
	struct urgent_cpu *c = urgent_cpu(cpu);
	bool due = c->debt >= (s64)urgent_slice();

	/* Where very many have waited too long, those that serve get every second turn. */
	if ((due || !c->helped) && wait_over(COMPUTING, cpu, urgent_clock, COMPUTING)) {
		c->owed = c->helped = 1;
		return;
	}
	c->helped = 0;
	if (due) {
		if (scx_bpf_dsq_move_to_local(COMPUTING, 0)) {
			c->owed = 1;
			return;
		}
		c->debt = 0; /* nobody wants it here */
	}
	if (!scx_bpf_dsq_move_to_local(SERVING, 0))
		scx_bpf_dsq_move_to_local(COMPUTING, 0);
}

static __always_inline void urgent_running(struct task_struct *p)
{
	u32 cpu = scx_bpf_task_cpu(p);
	struct urgent_cpu *c = urgent_cpu(cpu);

	c->started = p->se.sum_exec_runtime;
	if (!urgent_computes(p))
		return;
	c->computing = 1;
	urgent_victim = cpu;
	if (before(urgent_clock, p->scx.dsq_vtime))
		urgent_clock = p->scx.dsq_vtime;
}

/* Take a task off its CPU; returns how long it ran, ns. */
static __always_inline u64 urgent_stopping(struct task_struct *p)
{
	struct urgent_cpu *c = urgent_cpu(scx_bpf_task_cpu(p));
	u64 used = p->se.sum_exec_runtime - c->started;
	u32 owed = owed_percent < 100 ? owed_percent : 99;

	if (!c->computing) {
		c->debt += used * owed / (100 - owed);
		return used;
	}
	c->computing = 0;
	c->owed = 0;
	/*
	 * A slice ends with a tick of the kernel's, which may be later by as much as a slice or two: that is paid back. What was
	 * had while nobody else wanted it is not.
	 */
	c->debt -= used;
	if (c->debt < -2 * (s64)urgent_slice())
		c->debt = -2 * (s64)urgent_slice();
	return used;
}

/* Put a task down as serving or computing, from its next turn on, used being what it ran in this one. */
static __always_inline void urgent_judge(struct task_struct *p, bool computes, u64 used)
{
	u64 vtime;

	if (!computes) {
		if (urgent_computes(p))
			set_vtime(p, p->scx.dsq_vtime & ~(u64)COMPUTING);
		return;
	}
	vtime = urgent_vtime(p) + turn_cost(p, used, urgent_slice());
	set_vtime(p, vtime | COMPUTING);
}

/* A new task serves until it has shown that it does not. */
static __always_inline void urgent_enable(struct task_struct *p)
{
	set_vtime(p, urgent_clock & ~(u64)COMPUTING);
}

static __always_inline s32 urgent_init(void)
{
	s32 err = scx_bpf_create_dsq(SERVING, -1);

	wait_init();
	urgent_alone = scx_bpf_nr_cpu_ids() == 1;
	return err ? err : scx_bpf_create_dsq(COMPUTING, -1);
}

/* A mean that forgets: an eighth of the new, seven of the old. */
static __always_inline u64 ewma8(u64 mean, u64 value)
{
	return mean - (mean >> 3) + (value >> 3);
}

#endif
