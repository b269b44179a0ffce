// SPDX-License-Identifier: GPL-2.0
/*
 * scx-fifo: one queue for all CPUs, first come, first served.
 *
 * Policy. A task that wakes is put on an idle CPU if there is one. Otherwise it goes to the end of the global queue, from which
 * every CPU takes the first task that may run there. A task runs until it sleeps or has used up its slice, and then goes to the
 * end of the queue.
 *
 * Both parts are built into the kernel: without select_cpu the kernel finds an idle CPU, and without dispatch it takes tasks from
 * the built-in global queue. So the only callback of a switch is enqueue, and enqueue only sets the slice. This is the least cost
 * of a scheduler in BPF, and the baseline for the others.
 *
 * Good for: measuring the cost of sched_ext itself; loads of equal tasks, where order of arrival is fair.
 *
 * Known weakness: no weights (nice has no effect), and high latency: a task that wakes waits for all tasks that were queued before
 * it, up to a slice each. Tasks lose their CPU and its cache at every turn. One queue has one lock.
 *
 * The longest wait. A slice ends with a tick, after at most 8 ms. Of n tasks that wait for one CPU, whatever their weights, each
 * runs within n * 8 ms: within 5 s for up to 600 tasks a CPU, by the order alone. A task whose affinity or priority changes while
 * it waits goes to the end again; its wait has no bound.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 5000; /* how long a task may run in a turn */

void SCX_OP(fifo_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)fifo_enqueue,
    .exit = (void *)record_exit,
    .name = "scx_fifo",
};
