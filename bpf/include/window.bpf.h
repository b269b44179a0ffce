/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The minimum or maximum of a signal over a sliding window, in constant memory: Kathleen Nichols' estimator, as in the
 * kernel's lib/win_minmax.c. The estimator keeps the best sample, the best sample at least a quarter of the window
 * younger, and the best at least half a window younger. When the best sample leaves the window, a recent one replaces
 * it.
 */
#ifndef KXLAB_WINDOW_BPF_H
#define KXLAB_WINDOW_BPF_H

#include <linux/types.h>
#include <stdbool.h>

struct window_sample {
	__u32 t; /* time, in any unit */
	__u32 v; /* value */
};

struct window {
	struct window_sample s[3]; /* s[0] is the best */
};

/* Drops all samples but this one. */
static __always_inline void window_reset(struct window *w, __u32 t, __u32 v)
{
	w->s[0].t = w->s[1].t = w->s[2].t = t;
	w->s[0].v = w->s[1].v = w->s[2].v = v;
}

/* Reports whether a is at least as good as b. */
static __always_inline bool window_beats(__u32 a, __u32 b, bool largest)
{
	return largest ? a >= b : a <= b;
}

/* Adds the sample v taken at time t. Times may wrap; length is in their unit. */
static __always_inline void window_update(struct window *w, __u32 length, __u32 t, __u32 v, bool largest)
{
	__u32 age = t - w->s[0].t;

	if (window_beats(v, w->s[0].v, largest) || t - w->s[2].t > length) {
		window_reset(w, t, v);
		return;
	}
	if (window_beats(v, w->s[1].v, largest)) {
		w->s[1].t = w->s[2].t = t;
		w->s[1].v = w->s[2].v = v;
	} else if (window_beats(v, w->s[2].v, largest)) {
		w->s[2].t = t;
		w->s[2].v = v;
	}
	if (age > length) {
		/* The best sample has left the window. Move the others up; twice if the second has left too. */
		w->s[0] = w->s[1];
		w->s[1] = w->s[2];
		w->s[2].t = t;
		w->s[2].v = v;
		if (t - w->s[0].t > length) {
			w->s[0] = w->s[1];
			w->s[1] = w->s[2];
		}
	} else if (w->s[1].t == w->s[0].t && age > length / 4) {
		/* A quarter of the window passed without a second-best sample. This sample becomes the second best. */
		w->s[1].t = w->s[2].t = t;
		w->s[1].v = w->s[2].v = v;
	} else if (w->s[2].t == w->s[1].t && age > length / 2) {
		w->s[2].t = t;
		w->s[2].v = v;
	}
}

static __always_inline void window_max(struct window *w, __u32 length, __u32 t, __u32 v)
{
	window_update(w, length, t, v, true);
}

static __always_inline void window_min(struct window *w, __u32 length, __u32 t, __u32 v)
{
	window_update(w, length, t, v, false);
}

#endif
