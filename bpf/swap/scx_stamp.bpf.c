// SPDX-License-Identifier: GPL-2.0
/*
 * scx_stamp: a version of a scheduler: one queue for all CPUs, first come, first served, as sched/scx_fifo. It notes when it decided first
 * and last.
 *
 * Each version is this object, and has variables of its own. It has no generation: what a version decided is told by the time. In between no
 * version decides, because the kernel calls no other callbacks than these two for a decision, and neither while it enables or disables a
 * scheduler.
 *
 * Known weakness: CPUs that decide at once may write the time of the earlier decision last, a microsecond off.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 5000; /* how long a task may run in a turn */

/* Times in ns of CLOCK_MONOTONIC; 0: not yet. */
u64 first, last;

static __always_inline void stamp(void)
{
	u64 now = bpf_ktime_get_ns();

	if (!first)
		__sync_val_compare_and_swap(&first, 0, now);
	last = now;
}

s32 SCX_OP(stamp_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;

	stamp();
	return scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
}

void SCX_OP(stamp_enqueue, struct task_struct *p, u64 enq_flags)
{
	stamp();
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .select_cpu = (void *)stamp_select_cpu,
    .enqueue = (void *)stamp_enqueue,
    .exit = (void *)record_exit,
    .name = "scx_stamp",
};
