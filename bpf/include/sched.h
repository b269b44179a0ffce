/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The struct with which a scheduler reports to Go why the kernel ended it. bpf/abi/sched.go is generated from this header. No
 * code, no maps.
 */
#ifndef KXLAB_SCHED_H
#define KXLAB_SCHED_H

#include <linux/types.h>

#define SCHED_EXIT_BT	  64
#define SCHED_EXIT_REASON 128
#define SCHED_EXIT_MSG	  1024
#define SCHED_EXIT_DUMP	  32768 /* the kernel's default for exit_dump_len */

/* A copy of the kernel's struct scx_exit_info. All zeros while the scheduler is in force. */
struct sched_exit {
	__u64 kind; /* enum scx_exit_kind of the kernel; written last */
	__s64 code;
	__u32 bt_len; /* number of addresses in bt */
	__u32 pad;
	__u64 bt[SCHED_EXIT_BT]; /* kernel addresses, innermost first */
	char reason[SCHED_EXIT_REASON];
	char msg[SCHED_EXIT_MSG];
	char dump[SCHED_EXIT_DUMP];
};

#endif
