/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The extreme of a signal over a sliding window, in constant memory: Kathleen Nichols' estimator, which the kernel uses as
 * well (lib/win_minmax.c). It keeps the best sample and the best ones after it, at least a quarter and half a window
 * younger, so that when the best one grows too old a fresh one stands ready.
 */
#ifndef KXLAB_WINDOW_BPF_H
#define KXLAB_WINDOW_BPF_H

#include <linux/types.h>
#include <stdbool.h>

struct window_sample {
	__u32 t;
	__u32 v;
};

struct window {
	struct window_sample s[3]; /* the best first */
};

static __always_inline void window_reset(struct window *w, __u32 t, __u32 v)
{
	w->s[0].t = w->s[1].t = w->s[2].t = t;
	w->s[0].v = w->s[1].v = w->s[2].v = v;
}

/* Is a at least as extreme as b? */
static __always_inline bool window_beats(__u32 a, __u32 b, bool largest)
{
	return largest ? a >= b : a <= b;
}

/* Takes the sample v of time t into account. Times may be of any unit and wrap, the window is in the same. */
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
		/* The best one is out of the window: the others move up, twice if the second is out as well. */
		w->s[0] = w->s[1];
		w->s[1] = w->s[2];
		w->s[2].t = t;
		w->s[2].v = v;
		if (t - w->s[0].t > length) {
			w->s[0] = w->s[1];
			w->s[1] = w->s[2];
		}
	} else if (w->s[1].t == w->s[0].t && age > length / 4) {
		/* A quarter has passed without a second choice: this is it. */
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
