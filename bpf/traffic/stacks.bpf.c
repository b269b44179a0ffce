// SPDX-License-Identifier: GPL-2.0
/*
 * stacks: samples the stacks of running tasks, and adds up the time that tasks are off the CPU by the stack with which they left it.
 *
 * Running. A perf event of the CPU clock calls the program on each CPU once a period. Each sample is written to a ring buffer as a
 * whole: samples of running tasks have nearly as many different stacks as there are samples, and a map of stacks by their hash would
 * lose many of them to collisions. The ring buffer does not wake its reader, who comes by itself.
 *
 * Off the CPU. At a context switch the stack of the task that leaves is put into a map, and the time is kept until that task returns.
 * Time in which the task is able to run (it was preempted, or has been woken) is added up apart from time in which it is blocked.
 * Few stacks differ there, so a map by their hash does; those without a place are counted.
 *
 * Both happen in a window only, whose number user space writes. A task that left the CPU before the window, or returns after it, is
 * not counted. On a machine of others only the lab's tasks are: a process, what it started, tasks in its cgroups, such as daemons that the
 * kernel gave another parent, and threads of the kernel that run.
 *
 * Known weakness: where interrupts are off the perf event comes late, with the stack of the place where they are turned on again.
 * Stacks of programs are read by their frame pointers; a program without ends after one or two functions.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "stacks.h"

char LICENSE[] SEC("license") = "GPL";

#define PF_EXITING    0x00000004
#define PF_KTHREAD    0x00200000
#define GENERATIONS   16
#define CGROUP_LEVELS 8
#define CGROUP_NAME   64
#define NO_STACK      0xffff

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	const char *name;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self; /* the first member in the kernel, too */
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct css_set *cgroups;
};

#pragma clang attribute pop

/* The process whose tasks, and whose children's, are sampled; 0: all tasks. Written by user space, as the next. */
__u32 lab;

/* The beginning of the names of the cgroups v2 whose tasks are sampled, too; empty: none. */
char group[CGROUP_NAME];

/* Number of the open window; 0: none is open. */
__u32 window;

__u64 lost[STACK_LOSSES];

/* Samples; user space sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} samples SEC(".maps");

struct scratch {
	struct stack_sample head;
	__u64 at[2 * STACK_DEPTH + 2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__uint(value_size, STACK_DEPTH * sizeof(__u64));
} stacks SEC(".maps");

/* Time off the CPU, ns. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct stack_key);
	__type(value, __u64);
} off_cpu SEC(".maps");

/* A task that is off the CPU. */
struct absence {
	struct stack_key key;
	__u64 since; /* ns */
	__u64 ready; /* since when it is able to run, ns; 0: it is blocked */
	__u32 window; /* in which it left */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct absence);
} absent SEC(".maps");

static __always_inline void count_lost(enum stack_lost why)
{
	__sync_fetch_and_add(&lost[why], 1);
}

/* Whether a task is in one of the lab's cgroups, or below one. */
static __always_inline bool in_group(struct task_struct *task)
{
	struct cgroup *cgrp = task->cgroups->dfl_cgrp;
	char name[CGROUP_NAME];

	for (int i = 0; i < CGROUP_LEVELS && cgrp; i++) {
		if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(cgrp, kn, name)) > 0) {
			int n = 0;

			while (n < CGROUP_NAME - 1 && group[n] && group[n] == name[n])
				n++;
			if (!group[n])
				return n > 0;
		}
		cgrp = (struct cgroup *)BPF_CORE_READ(cgrp, self.parent);
	}
	return false;
}

/* Whether a task is of the lab: its process, one that this started, or one in its cgroups. */
static __always_inline bool is_ours(struct task_struct *task)
{
	struct task_struct *of = task;

	if (!lab)
		return true;
	for (int i = 0; i < GENERATIONS; i++) {
		if (task->tgid == (int)lab)
			return true;
		if (task->tgid <= 1)
			break;
		task = task->real_parent;
	}
	return in_group(of);
}

/* The number of the process that runs this by the kernel's test run: in a PID namespace it has another for itself. */
SEC("raw_tp")
int kx_process(void *ctx)
{
	return bpf_get_current_pid_tgid() >> 32;
}

SEC("perf_event")
int kx_sample(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	__u32 zero = 0;
	long kernel, user = 0;

	if (!window)
		return 0;
	if (!(task->flags & PF_KTHREAD) && !is_ours(task)) {
		count_lost(STACK_LOST_OTHERS);
		return 0;
	}
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s)
		return 0;
	kernel = bpf_get_stack(ctx, s->at, STACK_DEPTH * sizeof(__u64), 0);
	if (kernel < 0) {
		count_lost(STACK_LOST_KERNEL);
		kernel = 0;
	}
	if (!(task->flags & PF_KTHREAD)) {
		user = bpf_get_stack(ctx, (void *)s->at + kernel, STACK_DEPTH * sizeof(__u64), BPF_F_USER_STACK);
		if (user < 0) {
			count_lost(STACK_LOST_USER);
			user = 0;
		}
	}
	s->head.pid = task->pid;
	s->head.tgid = task->tgid;
	s->head.kernel = kernel;
	s->head.user = user;
	bpf_get_current_comm(s->head.task, sizeof(s->head.task));
	if (bpf_ringbuf_output(&samples, s, sizeof(s->head) + kernel + user, BPF_RB_NO_WAKEUP))
		count_lost(STACK_LOST_RING);
	return 0;
}

/* Adds time off the CPU to a stack. */
static __always_inline void add(struct stack_key *key, __u64 ns)
{
	__u64 *sum = bpf_map_lookup_elem(&off_cpu, key);

	if (sum)
		__sync_fetch_and_add(sum, ns);
	else if (ns && bpf_map_update_elem(&off_cpu, key, &ns, BPF_NOEXIST))
		count_lost(STACK_LOST_BLOCKED);
}

/* Puts a task that leaves the CPU aside. */
static __always_inline void leave(void *ctx, struct task_struct *task, bool able, __u64 now)
{
	struct absence a = {.since = now, .ready = able ? now : 0, .window = window};
	__u32 pid = task->pid;

	if (!pid || task->flags & PF_EXITING || (lab && task->flags & PF_KTHREAD) || !is_ours(task))
		return;
	a.key.tgid = task->tgid;
	a.key.kernel = bpf_get_stackid(ctx, &stacks, 0);
	a.key.user = task->flags & PF_KTHREAD ? NO_STACK : bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	if (a.key.kernel < 0 || a.key.user < 0)
		count_lost(STACK_LOST_IDS);
	bpf_get_current_comm(a.key.task, sizeof(a.key.task));
	if (bpf_map_update_elem(&absent, &pid, &a, BPF_ANY))
		count_lost(STACK_LOST_BLOCKED);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(kx_switch, bool preempted, struct task_struct *prev, struct task_struct *next, unsigned int state)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 pid = next->pid;
	struct absence *a;

	if (!window)
		return 0;
	leave(ctx, prev, preempted || !state, now);
	a = bpf_map_lookup_elem(&absent, &pid);
	if (!a)
		return 0;
	if (a->window == window) {
		__u64 ready = a->ready ? a->ready : now;
		struct stack_key key = a->key;

		if (ready > a->since)
			add(&key, ready - a->since);
		key.waits = 1;
		if (now > ready)
			add(&key, now - ready);
	}
	bpf_map_delete_elem(&absent, &pid);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(kx_wakeup, struct task_struct *task)
{
	__u32 pid = task->pid;
	struct absence *a;

	if (!window)
		return 0;
	a = bpf_map_lookup_elem(&absent, &pid);
	if (a && !a->ready)
		a->ready = bpf_ktime_get_ns();
	return 0;
}
