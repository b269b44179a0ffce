// SPDX-License-Identifier: GPL-2.0
/*
 * scx-interactive: short waits for tasks that wake often and run briefly.
 *
 * Policy. Of every task two decaying means are kept: how long it runs between waking and sleeping, and how long it is from
 * one wake-up to the next. A task that wakes often and runs briefly serves somebody who waits; one that runs long does
 * not care when. The logarithms of the two are added up to a patience between 0 and horizon_us, halved and doubled by
 * weight. The deadline is the time of waking, or of having used up a slice, plus patience. The queue is ordered by
 * deadline, and a task that wakes interrupts what its CPU runs if that could have waited margin_us longer.
 *
 * Good for: servers and desktops beside batch loads. What serves requests gets nearly as much of the CPUs as it asks for;
 * the rest goes to whoever computes.
 *
 * Known weakness: it takes from tasks that compute what it gives to those that sleep, so it is not fair by CPU time, and
 * weights only bend it. A task that pretends, sleeping a little often, is believed. Beyond horizon_us nobody is
 * overtaken, so with many urgent tasks, or many that compute, it turns into a queue in order of arrival. One queue has
 * one lock.
 */
enum sched_stat {
	STAT_WAKEUPS, /* tasks that became runnable */
	STAT_URGENT, /* of them: with a patience below an eighth of the horizon */
	STAT_EXPIRED, /* slices used up */
	SCHED_STATS,
};

#include "scx.bpf.h"
#include "schedexit.bpf.h"
#include "schedstats.bpf.h"
#include "urgent.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 4000; /* how long a task may run in a turn */
const volatile u32 horizon_us = 40000; /* the patience of a task that only computes */
const volatile u32 margin_us = 500; /* a preemption must be worth this much */

/* What is known of a task. Times in nanoseconds. */
struct task_ctx {
	u64 deadline;
	u64 ran; /* since it woke */
	u64 turn; /* since it got this deadline */
	u64 run_mean; /* from waking to sleeping */
	u64 woke; /* when it last woke */
	u64 wake_mean; /* from one wake-up to the next */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} tasks SEC(".maps");

static __always_inline struct task_ctx *task_ctx(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, NULL, 0);
}

/*
 * The patience of a task, ns. Below 64 us of run time and 1 ms between wake-ups it has none; each doubling of either adds
 * to it, run time the more; ten doublings of run time make the horizon.
 */
static __always_inline u64 patience(struct task_struct *p, struct task_ctx *t)
{
	u64 horizon = horizon_us * NSEC_PER_USEC;
	u64 run = t->ran > t->run_mean ? t->ran : t->run_mean; /* a burst under way counts as it grows */
	u32 steps = log2x4(run >> 16) + log2x4(t->wake_mean >> 20) / 2;
	u64 wait;

	if (steps > 40 || t->ran >= slice_us * NSEC_PER_USEC)
		steps = 40;
	wait = horizon * steps / 40;
	return wait * SCX_WEIGHT_NICE0 / (p->scx.weight ?: 1);
}

s32 SCX_OP(interactive_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return urgent_select_cpu(p, prev_cpu, wake_flags, slice_us * NSEC_PER_USEC);
}

void SCX_OP(interactive_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *t = task_ctx(p);
	u64 now, wait;

	if (!t)
		return;
	now = now_ns();
	t->wake_mean = ewma8(t->wake_mean, now - t->woke);
	t->woke = now;
	t->ran = 0;
	t->turn = 0;
	wait = patience(p, t);
	t->deadline = now + wait;
	count(STAT_WAKEUPS);
	if (wait < horizon_us * NSEC_PER_USEC / 8)
		count(STAT_URGENT);
}

void SCX_OP(interactive_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *t = task_ctx(p);
	u64 slice = slice_us * NSEC_PER_USEC;

	if (!t)
		dsq_insert_vtime(p, URGENT_QUEUE, slice, now_ns(), enq_flags);
	else
		urgent_enqueue(p, t->deadline, slice, margin_us * NSEC_PER_USEC, enq_flags);
}

void SCX_OP(interactive_dispatch, s32 cpu, struct task_struct *prev)
{
	scx_bpf_dsq_move_to_local(URGENT_QUEUE, 0);
}

void SCX_OP(interactive_running, struct task_struct *p)
{
	struct task_ctx *t = task_ctx(p);

	urgent_running(p, t ? t->deadline : 0);
}

void SCX_OP(interactive_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *t = task_ctx(p);

	u64 ran = urgent_ran(p);

	if (!t)
		return;
	t->ran += ran;
	t->turn += ran;
	if (!runnable) {
		t->run_mean = ewma8(t->run_mean, t->ran);
	} else if (t->turn >= slice_us * NSEC_PER_USEC) {
		t->deadline = now_ns() + patience(p, t);
		t->turn = 0;
		count(STAT_EXPIRED);
	} /* else it was interrupted, and keeps its place */
}

s32 SCX_OP(interactive_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_ctx *t = bpf_task_storage_get(&tasks, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return -12; /* ENOMEM */
	/* Nothing is known yet: halfway. */
	t->run_mean = NSEC_PER_MSEC;
	t->wake_mean = 4 * NSEC_PER_MSEC;
	t->woke = now_ns();
	t->deadline = t->woke;
	return 0;
}

s32 SCX_OP_SLEEPABLE(interactive_init)
{
	return scx_bpf_create_dsq(URGENT_QUEUE, -1);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .select_cpu = (void *)interactive_select_cpu,
    .enqueue = (void *)interactive_enqueue,
    .dispatch = (void *)interactive_dispatch,
    .runnable = (void *)interactive_runnable,
    .running = (void *)interactive_running,
    .stopping = (void *)interactive_stopping,
    .init_task = (void *)interactive_init_task,
    .init = (void *)interactive_init,
    .exit = (void *)record_exit,
    .name = "scx_interactive",
};
