/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The common part of the wrong schedulers for tests: scx-fifo, but for tasks for which wronged() holds. These run only while no other task wants
 * the CPU. A program defines wronged() after including this, and its table of operations with WRONG_OPS.
 */
#ifndef KXLAB_WRONG_BPF_H
#define KXLAB_WRONG_BPF_H

#include "scx.bpf.h"
#include "schedexit.bpf.h"

#define SERVED	  0
#define FORGOTTEN 1
#define NOTES	  65536

char _license[] SEC("license") = "GPL";

static __u8 forgotten[NOTES]; /* whether each task went to the second queue when it last queued */

static bool wronged(struct task_struct *p, u64 enq_flags);

/* The place of a task's notes in an array of NOTES. */
static __always_inline u32 slot(struct task_struct *p)
{
	return (u32)p->pid & (NOTES - 1);
}

void SCX_OP(wrong_enqueue, struct task_struct *p, u64 enq_flags)
{
	/* Threads of the kernel are served: a test shall fail for its tasks, and not for the machine's. */
	bool wrong = !(p->flags & PF_KTHREAD) && wronged(p, enq_flags);

	forgotten[slot(p)] = wrong;
	scx_bpf_dsq_insert(p, wrong ? FORGOTTEN : SERVED, 3 * NSEC_PER_MSEC, enq_flags);
}

void SCX_OP(wrong_dispatch, s32 cpu, struct task_struct *prev)
{
	if (scx_bpf_dsq_move_to_local(SERVED, 0))
		return;
	/* A task that could go on queues only when another was found: without one, it goes on. */
	if (prev && prev->pid && !prev->__state && !forgotten[slot(prev)])
		return;
	scx_bpf_dsq_move_to_local(FORGOTTEN, 0);
}

s32 SCX_OP_SLEEPABLE(wrong_init)
{
	s32 err = scx_bpf_create_dsq(SERVED, -1);

	return err ? err : scx_bpf_create_dsq(FORGOTTEN, -1);
}

#define WRONG_OPS                                                                                                      \
	.enqueue = (void *)wrong_enqueue, .dispatch = (void *)wrong_dispatch, .init = (void *)wrong_init,              \
	.exit = (void *)record_exit, .timeout_ms = 20000

#endif
