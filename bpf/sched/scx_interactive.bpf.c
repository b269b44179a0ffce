// SPDX-License-Identifier: GPL-2.0
/*
 * scx-interactive: short waits for tasks that run briefly between sleeps.
 *
 * Policy. The scheduler keeps a moving average of each task's run time between waking and sleeping. A task whose average is
 * shorter than a slice is treated as latency-sensitive (serving), any other as computing. Serving tasks go first, in order of
 * arrival, and preempt computing tasks; computing tasks share the rest by weight, in order of virtual time, and have a guaranteed
 * quarter of the time (urgent.bpf.h). A task that runs for much longer than its average counts as computing at once, until it
 * sleeps; so does a new task that does not sleep within a slice.
 *
 * Good for: servers and desktops beside batch loads. Serving tasks can use up to three quarters of the CPUs. If all tasks compute
 * the scheduler is a fair one; if all serve, it is a queue in order of arrival.
 *
 * Known weakness: it takes time from computing tasks for those that sleep, whatever their weights: nice has no effect on serving
 * tasks. A computing task that sleeps briefly and often counts as serving. The state of a task lies in an array by its pid: where
 * pids exceed NOTES, two tasks may share one average. Each queue has one lock.
 *
 * The longest wait. Computing tasks get a quarter of every CPU's time, and of these the task that has waited 2.5 s runs next,
 * whatever the weights; if many have, every second turn is theirs (urgent.bpf.h, wait.bpf.h). No wait is longer than 5 s with up to
 * 280 tasks a CPU.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"
#include "urgent.bpf.h"

char _license[] SEC("license") = "GPL";

#define NOTES 65536

/* The state of a task, microseconds. */
static struct note {
	u32 ran; /* since it woke */
	u32 mean; /* from waking to sleeping */
} notes[NOTES];

static __always_inline struct note *note(struct task_struct *p)
{
	return &notes[(u32)p->pid & (NOTES - 1)];
}

void SCX_OP(interactive_enqueue, struct task_struct *p, u64 enq_flags)
{
	urgent_enqueue(p, enq_flags);
}

void SCX_OP(interactive_dispatch, s32 cpu, struct task_struct *prev)
{
	urgent_dispatch(cpu);
}

void SCX_OP(interactive_running, struct task_struct *p)
{
	urgent_running(p);
}

void SCX_OP(interactive_stopping, struct task_struct *p, bool runnable)
{
	u64 used = urgent_stopping(p);
	struct note *n = note(p);
	u32 ran = n->ran + (used >> 10);

	if (!sleeps(p, runnable)) {
		n->ran = ran;
	} else {
		/* A burst is forgotten sooner than it is learned: a server begins with a long one. */
		n->mean = ran < n->mean ? (n->mean + ran) / 2 : ewma8(n->mean, ran);
		n->ran = ran = 0;
	}
	urgent_judge(p, n->mean >= slice_us || ran >= slice_us + 4 * n->mean, used);
}

void SCX_OP(interactive_enable, struct task_struct *p)
{
	struct note *n = note(p);

	n->ran = 0;
	n->mean = 0;
	urgent_enable(p);
}

s32 SCX_OP_SLEEPABLE(interactive_init)
{
	return urgent_init();
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)interactive_enqueue,
    .dispatch = (void *)interactive_dispatch,
    .running = (void *)interactive_running,
    .stopping = (void *)interactive_stopping,
    .enable = (void *)interactive_enable,
    .init = (void *)interactive_init,
    .exit = (void *)record_exit,
    .name = "scx_interactive",
};
