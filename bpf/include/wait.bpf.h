/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bound for the wait in a queue that is ordered by virtual time. Without it a task of the lowest weight waits for minutes
 * beside a few tasks of the highest. A task that has waited for WAIT_MOST runs next, whatever its virtual time; of several, the
 * one that waited longest.
 *
 * The wait is measured as by the kernel's watchdog: since the task last ran or woke, regardless of changes of affinity or
 * priority. The kernel stores it in jiffies, so an ordinary switch costs one read of the clock and no state for each task.
 *
 * The bound. Every CPU scans the queue four times a second. If n tasks wait for one CPU, each with turns of t, no task waits
 * longer than WAIT_MOST + WAIT_LOOK + n * t: with turns of a tick of 4 ms, 5 s for up to 560 tasks a CPU.
 */
#ifndef KXLAB_WAIT_BPF_H
#define KXLAB_WAIT_BPF_H

#include "scx.bpf.h"

#define WAIT_MOST (2500 * NSEC_PER_MSEC)
#define WAIT_LOOK (250 * NSEC_PER_MSEC)
#define WAIT_CPUS 1024

static u64 wait_look_at[WAIT_CPUS]; /* time of each CPU's next scan, ns */
/* The same moment on both clocks, from which the length of a jiffy is computed. */
static u64 wait_jiffy0, wait_ns0;

static __always_inline void wait_init(void)
{
	wait_jiffy0 = bpf_jiffies64();
	wait_ns0 = now_ns();
}

/* The longest wait of a task for a CPU, jiffies. */
static u64 wait_longest(u64 queue, s32 cpu, u64 jiffy)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	u64 longest = 0;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	while ((p = bpf_iter_scx_dsq_next(&it))) {
		u64 waited = jiffy - p->scx.runnable_at;

		/* The wait is negative for a task that was queued after the clock was read. */
		if ((s64)waited > (s64)longest && bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			longest = waited;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return longest;
}

/*
 * Move the task that waits since runnable_at to this CPU's local queue. Its virtual time is reduced to the clock, with mark set;
 * otherwise the clock would jump to that time, and all other tasks would lose their lag.
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

/* For dispatch: tells whether the CPU got a task that had waited too long. */
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
