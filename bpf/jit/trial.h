/* SPDX-License-Identifier: GPL-2.0 */
/* The turns of a trial, where the functions run in C: in the kernel module and in the program of user space. */
#ifndef KXLAB_TRIAL_H
#define KXLAB_TRIAL_H

/* The turns of one function and the empty one. */
#define TRIAL(name)                                                                                                    \
	for (u64 turn = 0; turn < job.turns && turn < JIT_TURNS; turn++) {                                             \
		u64 first = turn * job.inputs % JIT_INPUTS;                                                            \
                                                                                                                       \
		job.idle[turn] = turn_empty(first, job.inputs, job.rounds);                                            \
		job.took[turn] = turn_##name(first, job.inputs, job.rounds);                                           \
	}                                                                                                              \
	break

/* Makes the trial that job says. */
static inline void trial(void)
{
	switch (job.function) {
	case JIT_EMPTY:
		TRIAL(empty);
	case JIT_CHECKSUM:
		TRIAL(checksum);
	case JIT_FNV:
		TRIAL(fnv);
	case JIT_CLASSIFY:
		TRIAL(classify);
	case JIT_LOOKUP:
		TRIAL(lookup);
	case JIT_MAGLEV:
		TRIAL(maglev);
	case JIT_LOOP:
		TRIAL(loop);
	case JIT_SORT:
		TRIAL(sort);
	}
}

#endif
