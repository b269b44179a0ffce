/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions as a program of user space, for x86-64 and without a library.
 *
 * The program reads a trial from its standard input, makes it, writes it to its standard output, and begins again. It exits with 0 at the
 * end of the input, and with 1 if a trial is not whole.
 */
#ifndef KXLAB_USER_H
#define KXLAB_USER_H

#include <linux/types.h>
#include <linux/time.h>
#include <asm/unistd.h>

static inline long call(long number, long a, long b, long c)
{
	long result;

	asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

static inline __u64 now(void)
{
	struct __kernel_timespec {
		long seconds, ns;
	} t;

	call(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0);
	return t.seconds * 1000000000ULL + t.ns;
}

#include "functions.h"
#include "trial.h"

/* Reads or writes the whole trial, and returns how many bytes went. */
static long transfer(long number, long fd)
{
	long done = 0;

	while (done < (long)sizeof(job)) {
		long n = call(number, fd, (long)&job + done, sizeof(job) - done);

		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

void _start(void);
__attribute__((force_align_arg_pointer)) void _start(void)
{
	long n;

	while ((n = transfer(__NR_read, 0)) == sizeof(job)) {
		trial();
		if (transfer(__NR_write, 1) != sizeof(job))
			break;
	}
	call(__NR_exit_group, n != 0, 0, 0);
	__builtin_unreachable();
}

#endif
