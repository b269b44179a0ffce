// SPDX-License-Identifier: GPL-2.0
/*
 * NAME: one queue for all CPUs, first come, first served: a scheduler to start from.
 *
 * Policy. A task that wakes is put on an idle CPU if there is one. Otherwise it goes to the end of the queue from which every CPU
 * takes its next task. It runs until it sleeps or has used up its slice.
 *
 * Good for: say here on which load it is better than the kernel's.
 *
 * Known weakness: weights (nice) have no effect, and a task that wakes waits for all that were queued before it.
 *
 * Other operations are select_cpu, dispatch, running, stopping and the rest of struct sched_ext_ops. include/scx.bpf.h declares the
 * kernel's structs and kfuncs; kxlab's own schedulers are larger examples. The gate lets no task wait for 5 s.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

/* A knob: kxlab ab NAME.bpf.c compiles this value in; a definition can set another (knobs). */
const volatile u32 slice_us = 5000; /* how long a task may run in a turn */

void SCX_OP(own_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)own_enqueue,
    .exit = (void *)record_exit,
    .name = "own",
};
