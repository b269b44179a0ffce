// SPDX-License-Identifier: GPL-2.0
/*
 * scx-learned: priority for tasks that will soon sleep, by a predictor that learns at run time.
 *
 * Policy. A task's turn begins when it wakes or has used up a slice, and ends when it sleeps or has used up the next. At the
 * beginning a logistic predictor estimates the probability that the turn ends in sleep. Above one half the task is serving,
 * otherwise computing (urgent.bpf.h): serving tasks go first, in order of arrival, and preempt computing tasks, which share the
 * rest by weight and have a guaranteed quarter of the time. So the policy approximates shortest-job-first with predicted lengths.
 * A task that has run for four slices without sleeping counts as computing whatever the prediction, so a wrong predictor does not
 * starve other tasks.
 *
 * The predictor. Ten features describe a task at the beginning of a turn (enum feature). Each has a weight, the same for all
 * tasks; the sum of the products, mapped into 0 to 1 by a piecewise linear sigmoid, is the probability. When the turn ends, each
 * weight changes by the error times its feature times 2^-rate_shift (stochastic gradient descent on the log loss). All weights
 * start at 0. All arithmetic is in integers: features in 1/256, weights and probabilities in 1/65536.
 *
 * Counters give its accuracy: turns, turns that ended in sleep (the base rate is that of always predicting the more frequent end),
 * turns predicted correctly, and turns that "the same end as last time" would have predicted correctly.
 *
 * Good for: servers beside batch loads, as scx-interactive, from which it differs in the decision which tasks serve, and in their
 * order: two of them that wake each other on one CPU may overtake a third until the next owed turn (KEEP_ORDER).
 *
 * Known weakness: as scx-interactive, it takes time from computing tasks. Tasks that behave alike first and differently later are
 * distinguished late. All CPUs share the weights and write them without a lock: an update may be lost. A switch costs about 500
 * instructions more than with a queue alone.
 *
 * The longest wait. Computing tasks get a quarter of every CPU's time, and of these the task that has waited 2.5 s runs next,
 * whatever the weights; if many have, every second turn is theirs (urgent.bpf.h, wait.bpf.h). No wait is longer than 5 s with up to
 * 280 tasks a CPU.
 *
 * Deviations from the experiment that it follows (the sched_ext cover letter of 2022):
 *  1. The predictor is linear in its features; that one had a hidden layer of 16.
 *  2. The features are data that the scheduler has; that one used decaying counts of 64 system calls, for which every system call
 *     of every task would pass a tracepoint.
 *  3. It learns at run time, in the kernel; that one was trained before.
 */
enum sched_stat {
	STAT_TURNS, /* turns that ended */
	STAT_SLEPT, /* of them: in sleep */
	STAT_FORETOLD, /* turns that were predicted correctly */
	STAT_FORETOLD_SLEPT, /* of them: sleep */
	STAT_AS_LAST, /* turns that ended as the task's turn before */
	SCHED_STATS,
};

#include "scx.bpf.h"
#include "schedexit.bpf.h"
#include "schedstats.bpf.h"
#define KEEP_ORDER 0 /* in strict order it predicts worse: nginx beside batch -40 % instead of +60 % */
#include "urgent.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 rate_shift = 7; /* of an error, 2^-rate_shift is learned; 32 or more: nothing */

/* The features of a task. Durations are logarithms of microseconds, 12/256 a doubling. */
enum feature {
	F_ALWAYS, /* 1: its weight is what holds for all tasks */
	F_LAST_RUN, /* how long it ran from its last waking to sleeping */
	F_MEAN_RUN, /* the same, a decaying mean */
	F_SLEPT, /* how many of its turns ended in sleep, a decaying mean */
	F_AWAKE, /* run time since it woke: 0 for a task that just woke */
	F_SLEEP, /* how long it slept before this turn */
	F_PERIOD, /* from one wake-up to the next, a decaying mean */
	F_SYNC, /* woken by a task that is about to sleep */
	F_WAKES, /* how many tasks it wakes in a turn, a decaying mean */
	F_KERNEL, /* 1 for a thread of the kernel */
	FEATURES,
};

#define ONE  65536 /* of weights and probabilities */
#define UNIT 256 /* of features */

/* The learned weights; not static, so that user space can read them. */
s32 weights[FEATURES];

/* The state of a task. Times in nanoseconds. */
struct task_ctx {
	u64 turn; /* how long it ran in this turn */
	u64 awake; /* how long it ran since it woke */
	u64 last_run;
	u64 mean_run;
	u64 slept_at; /* when it last fell asleep */
	u64 woke_at; /* when it last woke */
	u64 period;
	u32 slept; /* decaying mean of turns that ended in sleep, 1/256 */
	u32 wakes; /* decaying mean of tasks woken in a turn, 1/256 */
	u32 waking; /* tasks woken in this turn */
	u32 began; /* it has had a first turn */
	u32 sync; /* this wake-up was by a task about to sleep */
	s32 probability; /* that this turn ends in sleep */
	s32 last; /* the turn before ended in sleep */
	s32 feature[FEATURES]; /* at the beginning of this turn */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} tasks SEC(".maps");

static __always_inline struct task_ctx *task_ctx(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, NULL, 0);
}

/* The logarithm to base 2, times 4, by the leading bit and the two after it; 0 for 0 and 1. At most 255. */
static __always_inline u32 log2x4(u64 v)
{
	u32 shift = 0;
	u64 t = v;

	if (v < 2)
		return 0;
	if (t >> 32) {
		t >>= 32;
		shift += 32;
	}
	if (t >> 16) {
		t >>= 16;
		shift += 16;
	}
	if (t >> 8) {
		t >>= 8;
		shift += 8;
	}
	if (t >> 4) {
		t >>= 4;
		shift += 4;
	}
	if (t >> 2) {
		t >>= 2;
		shift += 2;
	}
	shift += t >> 1;
	return shift * 4 + (shift >= 2 ? (v >> (shift - 2)) & 3 : (v & 1) * 2);
}

/* A length of time as a feature. */
static __always_inline s32 span(u64 ns)
{
	return log2x4(ns >> 10) * 3;
}

/* Begin a turn: describe the task and predict. */
static __always_inline void begin(struct task_struct *p, struct task_ctx *t, u64 sleep)
{
	s64 sum = 0, probability;
	int i;

	t->turn = 0;
	t->waking = 0;
	t->feature[F_ALWAYS] = UNIT;
	t->feature[F_LAST_RUN] = span(t->last_run);
	t->feature[F_MEAN_RUN] = span(t->mean_run);
	t->feature[F_SLEPT] = t->slept;
	t->feature[F_AWAKE] = span(t->awake);
	t->feature[F_SLEEP] = span(sleep);
	t->feature[F_PERIOD] = span(t->period);
	t->feature[F_SYNC] = t->sync ? UNIT : 0;
	t->feature[F_WAKES] = t->wakes > UNIT ? UNIT : t->wakes;
	t->feature[F_KERNEL] = p->flags & PF_KTHREAD ? UNIT : 0;
	t->sync = 0;

	for (i = 0; i < FEATURES; i++)
		sum += (s64)weights[i] * t->feature[i];
	probability = ONE / 2 + (sum >> (8 + 2)); /* a quarter: the slope of the logistic function at 0 */
	if (probability < 0)
		probability = 0;
	if (probability > ONE)
		probability = ONE;
	t->probability = probability;
}

static __always_inline bool computes(struct task_ctx *t)
{
	return t->probability < ONE / 2 || t->awake >= 4 * urgent_slice();
}

/* End a turn: count the prediction and learn from its error. */
static __always_inline void end(struct task_ctx *t, bool sleeps)
{
	s32 error = (sleeps ? ONE : 0) - t->probability;
	s32 shift = rate_shift + 8; /* the features' unit */
	int i;

	count(STAT_TURNS);
	if (sleeps)
		count(STAT_SLEPT);
	if (sleeps == (t->probability >= ONE / 2)) {
		count(STAT_FORETOLD);
		if (sleeps)
			count(STAT_FORETOLD_SLEPT);
	}
	if (sleeps == t->last)
		count(STAT_AS_LAST);
	t->last = sleeps;
	t->slept = t->slept - (t->slept >> 3) + (sleeps ? UNIT / 8 : 0);
	t->wakes = t->wakes - (t->wakes >> 3) + t->waking * (UNIT / 8);

	if (!error || rate_shift >= 32)
		return;
	for (i = 0; i < FEATURES; i++)
		weights[i] += ((s64)error * t->feature[i] + (1LL << (shift - 1))) >> shift;
}

s32 SCX_OP(learned_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *t = task_ctx(p);

	bool idle = false;
	s32 cpu;

	if (t)
		t->sync = !!(wake_flags & SCX_WAKE_SYNC);
	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
	if (idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, urgent_slice(), 0);
	return cpu;
}

void SCX_OP(learned_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *t = task_ctx(p), *waker;
	u64 now;

	if (!t)
		return;
	if (!(enq_flags & SCX_ENQ_WAKEUP) && t->began)
		return; /* its affinity, priority or group was changed: the turn goes on */
	t->began = 1;
	now = now_ns();
	if (enq_flags & SCX_ENQ_WAKEUP) {
		t->period = ewma8(t->period, now - t->woke_at);
		t->woke_at = now;
		t->awake = 0;
		/* An interrupt counts as a wakeup by the interrupted task: noise in this feature, which its weight reflects. */
		waker = task_ctx(bpf_get_current_task_btf());
		if (waker && waker->waking < 64)
			waker->waking++;
	}
	begin(p, t, now - t->slept_at);
	urgent_judge(p, computes(t), 0);
}

void SCX_OP(learned_enqueue, struct task_struct *p, u64 enq_flags)
{
	urgent_enqueue(p, enq_flags);
}

void SCX_OP(learned_dispatch, s32 cpu, struct task_struct *prev)
{
	urgent_dispatch(cpu);
}

void SCX_OP(learned_running, struct task_struct *p)
{
	urgent_running(p);
}

void SCX_OP(learned_stopping, struct task_struct *p, bool runnable)
{
	struct task_ctx *t = task_ctx(p);
	u64 ran = urgent_stopping(p);

	if (!t)
		return;
	t->turn += ran;
	t->awake += ran;
	if (sleeps(p, runnable)) {
		end(t, true);
		t->last_run = t->awake;
		t->mean_run = ewma8(t->mean_run, t->awake);
		t->slept_at = now_ns();
	} else if (t->turn >= slice_us * NSEC_PER_USEC) {
		end(t, false);
		begin(p, t, 0);
	} /* else it was interrupted, and its turn goes on */
	urgent_judge(p, computes(t), ran);
}

s32 SCX_OP(learned_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_ctx *t = bpf_task_storage_get(&tasks, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return -12; /* ENOMEM */
	t->mean_run = NSEC_PER_MSEC;
	t->last_run = NSEC_PER_MSEC;
	t->period = 4 * NSEC_PER_MSEC;
	t->slept = UNIT / 2;
	t->woke_at = t->slept_at = now_ns();
	return 0;
}

void SCX_OP(learned_enable, struct task_struct *p)
{
	urgent_enable(p);
}

s32 SCX_OP_SLEEPABLE(learned_init)
{
	return urgent_init();
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .select_cpu = (void *)learned_select_cpu,
    .enqueue = (void *)learned_enqueue,
    .dispatch = (void *)learned_dispatch,
    .runnable = (void *)learned_runnable,
    .running = (void *)learned_running,
    .stopping = (void *)learned_stopping,
    .init_task = (void *)learned_init_task,
    .enable = (void *)learned_enable,
    .init = (void *)learned_init,
    .exit = (void *)record_exit,
    .name = "scx_learned",
};
