/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bound for the wait in a queue that is ordered by virtual time: order by weight alone makes a task of the lowest weight wait
 * for minutes beside a few of the highest. A task that has waited for WAIT_MOST runs next, the one that waited longest first,
 * whatever its virtual time.
 *
 * Time of waiting is what the kernel's watchdog takes for it: since the task last ran or woke, changes of affinity or priority not
 * counted. The kernel keeps it in jiffies, so an ordinary switch costs a look at the clock, and no state a task.
 *
 * The bound. Every CPU looks through the queue four times a second. Of n tasks that wait for one CPU, each with turns of t, none
 * waits longer than WAIT_MOST + WAIT_LOOK + n * t: with turns of a tick of 4 ms, 5 s for up to 560 tasks a CPU.
 */
#ifndef KXLAB_WAIT_BPF_H
#define KXLAB_WAIT_BPF_H

#include "scx.bpf.h"

#define WAIT_MOST (2500 * NSEC_PER_MSEC)
#define WAIT_LOOK (250 * NSEC_PER_MSEC)
#define WAIT_CPUS 1024

static u64 wait_look_at[WAIT_CPUS]; /* when each CPU looks again, ns */
/* One moment on both clocks, from which the length of a jiffy is computed. */
static u64 wait_jiffy0, wait_ns0;

static __always_inline void wait_init(void)
{
	wait_jiffy0 = bpf_jiffies64();
	wait_ns0 = now_ns();
}

/* Jiffies that the task which waited longest for a CPU has waited. */
static u64 wait_longest(u64 queue, s32 cpu, u64 jiffy)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	u64 longest = 0;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	while ((p = bpf_iter_scx_dsq_next(&it))) {
		u64 waited = jiffy - p->scx.runnable_at;

		/* A task that came after the clock was read has waited for less than nothing. */
		if ((s64)waited > (s64)longest && bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			longest = waited;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return longest;
}

/*
 * Give the CPU whose dispatch this is the task that has waited that long. Its virtual time comes down to the clock, mark
 * set: the clock would otherwise jump to it, and all others would lose what they are owed.
 */
static bool wait_take(u64 queue, s32 cpu, u64 runnable_at, u64 clock, u64 mark)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool taken = false;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	while (!taken && (p = bpf_iter_scx_dsq_next(&it))) {
		if (p->scx.runnable_at != runnable_at || !bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			continue;
		taken = scx_bpf_dsq_move(&it, p, SCX_DSQ_LOCAL, 0);
		if (taken && before(clock, p->scx.dsq_vtime))
			set_vtime(p, clock | mark);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return taken;
}

/* To be called in dispatch: tells whether a task that had waited too long was given to the CPU. */
static __always_inline bool wait_over(u64 queue, s32 cpu, u64 clock, u64 mark)
{
	u64 *look_at = &wait_look_at[(u32)cpu & (WAIT_CPUS - 1)];
	u64 now = now_ns(), jiffy, jiffies, longest;

	if (before(now, *look_at))
		return false;
	jiffy = bpf_jiffies64();
	jiffies = jiffy - wait_jiffy0;
	longest = wait_longest(queue, cpu, jiffy);
	if (!jiffies || longest * ((now - wait_ns0) / jiffies) < WAIT_MOST) {
		*look_at = now + WAIT_LOOK;
		return false;
	}
	return wait_take(queue, cpu, jiffy - longest, clock, mark);
}

#endif
