// SPDX-License-Identifier: GPL-2.0
/*
 * scx-batch: as few switches as possible.
 *
 * Policy. One queue in order of arrival, and long slices: a task that computes keeps its CPU for slice_us, whoever wakes
 * meanwhile. Who used up a slice goes to the end, and if nobody waits goes on at once. A task that wakes is put on an idle
 * CPU if there is one; nothing is ever preempted.
 *
 * Good for: throughput of loads that compute in large working sets, where every switch costs a cache; compilers,
 * renderers, encoders.
 *
 * Known weakness: latency. One task that computes delays all others on its CPU by a whole slice, so servers and desktops
 * beside it crawl. No weights.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 100000; /* how long a task may run in a turn */

void SCX_OP(batch_enqueue, struct task_struct *p, u64 enq_flags)
{
	/* Threads of the kernel that serve one CPU do work that others wait for, and a few microseconds of it. */
	u64 queue = (p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1 ? SCX_DSQ_LOCAL : SCX_DSQ_GLOBAL;

	scx_bpf_dsq_insert(p, queue, slice_us * NSEC_PER_USEC, enq_flags);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)batch_enqueue,
    .exit = (void *)record_exit,
    .name = "scx_batch",
};
