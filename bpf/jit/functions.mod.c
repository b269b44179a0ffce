// SPDX-License-Identifier: GPL-2.0
/*
 * functions - the functions as a kernel module
 *
 * Init makes the trial that stands in the memory of the process that loads the module, at job_at, and writes it back there. It returns
 * -EALREADY when that is done, so that the module does not stay.
 */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;

#include "module.mod.h"

long long ktime_get(void);
long copy_from_user_nofault(void *dst, const void *src, unsigned long size);
long copy_to_user_nofault(void *dst, const void *src, unsigned long size);

static inline __u64 now(void)
{
	return ktime_get();
}

#include "functions.h"
#include "trial.h"

#define EFAULT	 14
#define EALREADY 114

/* The address of the trial in user space, which the loader writes into the file. */
void *volatile job_at __attribute__((section(".data"))) = 0;

int start(void);
int start(void)
{
	if (copy_from_user_nofault(&job, job_at, sizeof(job)))
		return -EFAULT;
	trial();
	if (copy_to_user_nofault(job_at, &job, sizeof(job)))
		return -EFAULT;
	return -EALREADY;
}

MODULE(start, "kxlab_jit");
