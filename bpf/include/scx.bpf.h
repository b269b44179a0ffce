/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interface between schedulers and the kernel: the types, constants and kfuncs of sched_ext in use here, and wrappers
 * for those that changed between 6.13 and 7.x.
 *
 * Structs hold only the fields in use, which the loader relocates (CO-RE). Kfuncs are declared with the arguments of their
 * newest form; an older kernel ignores the additional ones. They are resolved by their exact names
 * (harness/bpfobj/kfunc.go). A kfunc that a program tests with scx_has() may be missing; all others must exist.
 */
#ifndef KXLAB_SCX_BPF_H
#define KXLAB_SCX_BPF_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

/* Part of the kernel's interface to schedulers, the same in all versions (include/linux/sched/ext.h, kernel/sched). */
#define SCX_DSQ_GLOBAL	 0x8000000000000001ULL
#define SCX_DSQ_LOCAL	 0x8000000000000002ULL
#define SCX_DSQ_LOCAL_ON 0xc000000000000000ULL
#define SCX_ENQ_WAKEUP	 0x1ULL
#define SCX_ENQ_PREEMPT	 (1ULL << 32)
#define SCX_DEQ_SLEEP	 0x1ULL
#define SCX_WAKE_SYNC	 0x10ULL
#define SCX_KICK_IDLE	 0x1ULL
#define SCX_KICK_PREEMPT 0x2ULL
#define SCX_WEIGHT_NICE0 100 /* p->scx.weight of nice 0 */

#define PF_EXITING	 0x00000004
#define PF_KTHREAD	 0x00200000

#define NSEC_PER_USEC	 1000ULL
#define NSEC_PER_MSEC	 1000000ULL

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct cpumask {
};

struct sched_ext_entity {
	u32 weight;
	unsigned long runnable_at; /* jiffies when it began to wait, by the watchdog's count */
	u64 slice;
	u64 dsq_vtime;
};

struct sched_entity {
	u64 sum_exec_runtime;
};

struct task_struct {
	unsigned int __state; /* 0 while it is able to run */
	unsigned int flags;
	int pid;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	struct sched_entity se;
	struct sched_ext_entity scx;
};

enum scx_exit_kind {
	SCX_EXIT_NONE,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	s64 exit_code;
	const char *reason;
	unsigned long *bt;
	u32 bt_len;
	char *msg;
	char *dump;
};

struct scx_init_task_args {
	bool fork;
};

#pragma clang attribute pop

/* The callbacks in use here and the settings; the loader matches them by name. */
struct sched_ext_ops {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dequeue)(struct task_struct *p, u64 deq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*tick)(struct task_struct *p);
	void (*runnable)(struct task_struct *p, u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*quiescent)(struct task_struct *p, u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	void (*set_weight)(struct task_struct *p, u32 weight);
	void (*update_idle)(s32 cpu, bool idle);
	s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*enable)(struct task_struct *p);
	void (*disable)(struct task_struct *p);
	s32 (*init)(void);
	void (*exit)(struct scx_exit_info *ei);
	u32 dispatch_max_batch;
	u64 flags;
	u32 timeout_ms;
	u32 exit_dump_len;
	char name[128];
};

/* A walk through a queue, in its order. */
struct bpf_iter_scx_dsq {
	u64 __opaque[6];
} __attribute__((aligned(8)));

struct scx_bpf_dsq_insert_vtime_args {
	u64 dsq_id;
	u64 slice;
	u64 vtime;
	u64 enq_flags;
};

extern void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym;
extern bool scx_bpf_dsq_move_to_local(u64 dsq_id, u64 enq_flags) __ksym; /* enq_flags: since its second form, 7.1 */
extern s32 bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, u64 dsq_id, u64 flags) __ksym;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym;
extern bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it, struct task_struct *p, u64 dsq_id, u64 enq_flags) __ksym;
extern s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
extern s32 scx_bpf_dsq_nr_queued(u64 dsq_id) __ksym;
extern s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags, bool *is_idle) __ksym;
extern s32 scx_bpf_pick_idle_cpu(const struct cpumask *allowed, u64 flags) __ksym;
extern void scx_bpf_kick_cpu(s32 cpu, u64 flags) __ksym;
extern u32 scx_bpf_nr_cpu_ids(void) __ksym;
extern s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
extern bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask) __ksym;

/* The following kfuncs exist in two forms, or not at all. */
extern bool __scx_bpf_dsq_insert_vtime(struct task_struct *p,
				       struct scx_bpf_dsq_insert_vtime_args *args) __ksym __weak; /* since 6.19 */
extern void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
				     u64 enq_flags) __ksym __weak; /* until some 7.x */
extern bool scx_bpf_task_set_dsq_vtime(struct task_struct *p, u64 vtime) __ksym __weak; /* since 6.19 */
extern bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice) __ksym __weak; /* since 6.19 */
extern u64 scx_bpf_now(void) __ksym __weak; /* since 6.14 */

/* Tells whether the kernel has a kfunc; the verifier drops the branch not taken. */
#define scx_has(kfunc) (!!(kfunc))

/* A callback: SCX_OP(name, arguments), SCX_OP_SLEEPABLE where the callback may sleep. */
#define SCX_OP(name, args...)		SEC("struct_ops/" #name) BPF_PROG(name, ##args)
#define SCX_OP_SLEEPABLE(name, args...) SEC("struct_ops.s/" #name) BPF_PROG(name, ##args)

/* Insert a task into a queue ordered by vtime. If the kernel has neither form, the verifier rejects the second call. */
static __always_inline void dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime, u64 enq_flags)
{
	if (!scx_has(__scx_bpf_dsq_insert_vtime) && scx_has(scx_bpf_dsq_insert_vtime)) {
		scx_bpf_dsq_insert_vtime(p, dsq_id, slice, vtime, enq_flags);
	} else {
		struct scx_bpf_dsq_insert_vtime_args args = {
		    .dsq_id = dsq_id,
		    .slice = slice,
		    .vtime = vtime,
		    .enq_flags = enq_flags,
		};
		__scx_bpf_dsq_insert_vtime(p, &args);
	}
}

/* Set a task's own vtime. Newer kernels deprecate writing the field. */
static __always_inline void set_vtime(struct task_struct *p, u64 vtime)
{
	if (scx_has(scx_bpf_task_set_dsq_vtime))
		scx_bpf_task_set_dsq_vtime(p, vtime);
	else
		p->scx.dsq_vtime = vtime;
}

/* Set the rest of a task's slice, ns. */
static __always_inline void set_slice(struct task_struct *p, u64 slice)
{
	if (scx_has(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice);
	else
		p->scx.slice = slice;
}

/*
 * The virtual time that a turn of used ns costs: at most 16 slices more than at the weight of nice 0, so weights below about a
 * sixteenth of that are not enforced. Without the bound, a kernel thread of the lowest weight that holds a lock would fall 400 ms
 * behind each computing task for a turn of 4 ms. khugepaged, copying a huge page, blocked all other tasks for 21 s.
 */
static __always_inline u64 turn_cost(struct task_struct *p, u64 used, u64 slice)
{
	u32 weight = p->scx.weight;
	u64 cost = used * SCX_WEIGHT_NICE0 / (weight ?: 1);
	u64 most = used + 16 * slice;

	return cost < most ? cost : most;
}

/*
 * Tells, in stopping, whether a task goes to sleep or exits. The argument runnable is also false when another task changes the
 * affinity, priority or group of this one; the kernel then stops it and starts it again at once.
 */
static __always_inline bool sleeps(struct task_struct *p, bool runnable)
{
	return !runnable && p->__state;
}

/* The time, ns: the run queue's cached clock if the kernel has a kfunc for it. */
static __always_inline u64 now_ns(void)
{
	return scx_has(scx_bpf_now) ? scx_bpf_now() : bpf_ktime_get_ns();
}

/* Tells whether time a is before time b; both may have wrapped. */
static __always_inline bool before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

#endif
