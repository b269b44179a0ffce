/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two queues with priorities: serving tasks go first and preempt computing tasks; computing tasks share the rest of the time by
 * weight and have a guaranteed part of it. The scheduler that includes this header decides which tasks serve. All else is the
 * same for all schedulers that include it, so they differ in that decision only.
 *
 * The guarantee. While serving tasks run, each CPU accumulates a debt to computing tasks, owed_percent of the time. When the
 * debt reaches a slice, a computing task runs next, and is not preempted until a timer ends its turn after a slice. Then a
 * serving task runs, if one waits. So no task starves, and a serving task waits at most a slice longer than for other serving
 * tasks. While no computing task waits, there is no debt. Every CPU has its own debt, because time on one CPU does not help a
 * task that is bound to another.
 *
 * The lowest bit of a task's vtime marks it as computing. Reading it costs nothing, and serving tasks do not need their vtime.
 */
#ifndef KXLAB_URGENT_BPF_H
#define KXLAB_URGENT_BPF_H

#include "scx.bpf.h"
#include "wait.bpf.h"

#define SERVING	    0
#define COMPUTING   1
#define URGENT_CPUS 1024

/* Whether tasks that serve keep their order of arrival even where they could wait in their CPU's own queue. */
#ifndef KEEP_ORDER
#define KEEP_ORDER 1
#endif

#define CLOCK_MONOTONIC 1
#define TIMER_CPU_PIN	2 /* BPF_F_TIMER_CPU_PIN, since 6.7: older headers lack it */

const volatile u32 slice_us =
    2000; /* length of a turn, and the run time after which a serving task counts as computing */
const volatile u32 owed_percent = 25; /* guaranteed to computing tasks while both kinds are runnable; below 100 */

/* The state of a CPU. */
struct urgent_cpu {
	u64 started; /* run time of the current task when it was put on the CPU, ns */
	s64 debt; /* to computing tasks, ns; negative: they had more than their part */
	u32 computing; /* the current task is a computing one */
	u32 owed; /* and its turn pays the debt */
	u32 next_owed; /* the turn of the next computing task will */
	u32 helped; /* the last turn went to a task that had waited too long */
	u32 pad[8]; /* to a cache line */
};

static struct urgent_cpu urgent_cpus[URGENT_CPUS];
static bool urgent_alone; /* the machine has one CPU */
static bool urgent_queued; /* a task may wait in SERVING; a race lets later tasks overtake such a task for a while */

/* A CPU's timer ends owed turns. Without it they end with a tick, up to two slices later. */
struct urgent_timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, URGENT_CPUS);
	__type(key, u32);
	__type(value, struct urgent_timer);
} urgent_timers SEC(".maps");

static u32 urgent_victim; /* the last CPU on which a computing task was put */
static u64 urgent_clock; /* the largest vtime that was put on a CPU; races lose an update, the next makes up for it */

/* The mask is for the verifier: on a machine with more CPUs, some would share an entry. */
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

/* Tells whether a serving task should preempt a CPU's task. A stale answer costs one preemption too many or too few. */
static __always_inline bool urgent_beats(u32 cpu)
{
	struct urgent_cpu *c = urgent_cpu(cpu);

	return c->computing && !c->owed && !c->helped;
}

static __always_inline u64 urgent_vtime(struct task_struct *p)
{
	u64 vtime = p->scx.dsq_vtime;

	if (before(vtime, urgent_clock - urgent_slice()))
		vtime = urgent_clock - urgent_slice();
	return vtime;
}

/* Queue a task. A serving task that wakes preempts a computing one. */
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
	 * A task that can run on one CPU only waits in that CPU's local queue, which costs less. It does not while a debt is
	 * due or other tasks wait in the shared queue, because the kernel takes from the local queue before it calls dispatch:
	 * two tasks that wake each other there would keep the others waiting until the next owed turn.
	 */
	if ((urgent_alone || p->nr_cpus_allowed == 1) && urgent_cpu(cpu)->debt < (s64)slice &&
	    !(KEEP_ORDER && urgent_queued)) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, enq_flags);
		return;
	}
	urgent_queued = true;
	scx_bpf_dsq_insert(p, SERVING, slice, enq_flags);
}

static __always_inline void urgent_dispatch(s32 cpu)
{
	struct urgent_cpu *c = urgent_cpu(cpu);
	/* stopping is called after dispatch: an owed turn that ends here has not been paid for yet. */
	bool due = !c->owed && c->debt >= (s64)urgent_slice();

	/* If very many tasks have waited too long, serving tasks get every second turn. */
	if ((due || !c->helped) && wait_over(COMPUTING, cpu, urgent_clock, COMPUTING)) {
		c->next_owed = c->helped = 1;
		return;
	}
	c->helped = 0;
	if (due) {
		if (scx_bpf_dsq_move_to_local(COMPUTING, 0)) {
			c->next_owed = 1;
			return;
		}
		c->debt = 0; /* no computing task waits for this CPU */
	}
	if (scx_bpf_dsq_move_to_local(SERVING, 0))
		return;
	urgent_queued = false;
	scx_bpf_dsq_move_to_local(COMPUTING, 0);
}

static __always_inline void urgent_running(struct task_struct *p)
{
	u32 cpu = scx_bpf_task_cpu(p);
	struct urgent_cpu *c = urgent_cpu(cpu);
	struct urgent_timer *t;

	c->started = p->se.sum_exec_runtime;
	if (!urgent_computes(p))
		return;
	c->computing = 1;
	c->owed = c->next_owed;
	c->next_owed = 0;
	urgent_victim = cpu;
	if (before(urgent_clock, p->scx.dsq_vtime))
		urgent_clock = p->scx.dsq_vtime;
	if (!c->owed)
		return;
	t = bpf_map_lookup_elem(&urgent_timers, &cpu);
	if (t)
		bpf_timer_start(&t->timer, urgent_slice(), TIMER_CPU_PIN);
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
	 * A slice ends on a tick, up to two slices late, and a computing task pays that time back. Time that it had while no
	 * serving task was runnable is not paid back.
	 */
	c->debt -= used;
	if (c->debt < -2 * (s64)urgent_slice())
		c->debt = -2 * (s64)urgent_slice();
	return used;
}

/* Mark a task as serving or computing from its next turn on. It ran for used ns in this turn. */
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

/* A new task counts as serving. */
static __always_inline void urgent_enable(struct task_struct *p)
{
	set_vtime(p, urgent_clock & ~(u64)COMPUTING);
}

/* The timer of a CPU has expired: end its owed turn. A turn that has ended by itself leaves its timer to the next, which sets it anew. */
static int urgent_expired(void *timers, u32 *cpu, struct urgent_timer *t)
{
	struct urgent_cpu *c = urgent_cpu(*cpu);

	if (c->computing && c->owed)
		scx_bpf_kick_cpu(*cpu, SCX_KICK_PREEMPT);
	return 0;
}

static __always_inline s32 urgent_init(void)
{
	s32 err = scx_bpf_create_dsq(SERVING, -1);
	u32 cpu, key, n = scx_bpf_nr_cpu_ids();
	struct urgent_timer *t;

	for (cpu = 0; cpu < n && cpu < URGENT_CPUS; cpu++) {
		key = cpu;
		t = bpf_map_lookup_elem(&urgent_timers, &key);
		if (!t || bpf_timer_init(&t->timer, &urgent_timers, CLOCK_MONOTONIC) ||
		    bpf_timer_set_callback(&t->timer, urgent_expired))
			return -22; /* EINVAL */
	}
	wait_init();
	urgent_alone = scx_bpf_nr_cpu_ids() == 1;
	return err ? err : scx_bpf_create_dsq(COMPUTING, -1);
}

/* An exponentially weighted moving average: 7/8 of the mean and 1/8 of the value. */
static __always_inline u64 ewma8(u64 mean, u64 value)
{
	return mean - (mean >> 3) + (value >> 3);
}

#endif
