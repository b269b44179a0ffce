// SPDX-License-Identifier: GPL-2.0
/*
 * scx-fifo: one queue for all CPUs, first come, first served.
 *
 * Policy. A task that wakes is put on an idle CPU at once if there is one. Else it goes to the end of the one global
 * queue, from which every CPU takes the first task that may run there. A task runs until it sleeps or its slice is used
 * up, and then queues again at the end.
 *
 * Both halves are the kernel's own: without select_cpu it looks for an idle CPU itself, and without dispatch it takes from
 * the built-in global queue. So the one callback on the way of a switch is enqueue, and that only sets the slice. This is
 * the least that a scheduler in BPF can cost, and the measure for the others.
 *
 * Good for: seeing what sched_ext itself costs; loads of equal tasks, where order of arrival is fair.
 *
 * Known weakness: it knows no weights (nice has no effect) and no latency: a task that wakes waits for all that queued
 * before it, up to a slice each. Tasks lose their CPU and its cache at every turn. One queue has one lock.
 *
 * The longest wait. A slice ends with a tick of the kernel's, so after 8 ms. Of n tasks that wait for one CPU, whatever their weights,
 * each runs within n * 8 ms: 5 s hold for 600 tasks a CPU, by the order alone. A task whose affinity or priority is changed
 * while it waits goes to the end again, and for it nothing is promised.
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
