// SPDX-License-Identifier: GPL-2.0
/*
 * scx-stall: a scheduler that fails deliberately, to show how the kernel handles that.
 *
 * Policy. For the first grace_ms it is scx-fifo. Then, by the knob fault:
 *   0  it accepts tasks and never runs them. After timeout_ms the kernel's watchdog ends the scheduler, returns all tasks to the
 *      kernel's own, and reports which task waited for how long.
 *   1  it sends a task to a CPU that does not exist, for which the kernel ends it at once.
 *
 * Good for: testing that a trial under an ejected scheduler does not count, and that the machine survives.
 *
 * Known weakness: while it stalls, only interrupts and real-time tasks run: the machine does not respond for timeout_ms.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 5000; /* how long a task may run in a turn */
const volatile u32 grace_ms = 500; /* how long it works */
const volatile u32 fault = 0; /* what it does then */

/* The pids of accepted tasks, which are never removed. When the map is full, further pids are lost. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4096);
	__type(value, s32);
} kept SEC(".maps");

static u64 fails_at; /* ns */

/* All wakeups pass here, also those for which a CPU is idle: without it the kernel would serve these by itself. */
s32 SCX_OP(stall_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void SCX_OP(stall_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 pid = p->pid;

	if (before(bpf_ktime_get_ns(), fails_at))
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
	else if (fault)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | scx_bpf_nr_cpu_ids(), slice_us * NSEC_PER_USEC, enq_flags);
	else
		bpf_map_push_elem(&kept, &pid, 0);
}

s32 SCX_OP_SLEEPABLE(stall_init)
{
	fails_at = bpf_ktime_get_ns() + grace_ms * NSEC_PER_MSEC;
	return 0;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .select_cpu = (void *)stall_select_cpu,
    .enqueue = (void *)stall_enqueue,
    .init = (void *)stall_init,
    .exit = (void *)record_exit,
    .timeout_ms = 2000,
    .name = "scx_stall",
};
