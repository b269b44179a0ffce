/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The variable with the reason for which the kernel ended a scheduler, which Go reads, and the callback that fills it.
 * Every scheduler uses the callback: .exit = (void *)record_exit.
 */
#ifndef KXLAB_SCHEDEXIT_BPF_H
#define KXLAB_SCHEDEXIT_BPF_H

#include "scx.bpf.h"
#include "sched.h"

struct sched_exit sched_exit;

void SCX_OP_SLEEPABLE(record_exit, struct scx_exit_info *ei)
{
	u32 n = ei->bt_len;

	sched_exit.code = ei->exit_code;
	if (ei->reason)
		bpf_probe_read_kernel_str(sched_exit.reason, sizeof(sched_exit.reason), ei->reason);
	if (ei->msg)
		bpf_probe_read_kernel_str(sched_exit.msg, sizeof(sched_exit.msg), ei->msg);
	if (ei->dump)
		bpf_probe_read_kernel_str(sched_exit.dump, sizeof(sched_exit.dump), ei->dump);
	if (n > SCHED_EXIT_BT)
		n = SCHED_EXIT_BT;
	if (n && ei->bt && !bpf_probe_read_kernel(sched_exit.bt, n * sizeof(sched_exit.bt[0]), ei->bt))
		sched_exit.bt_len = n;
	/* The order does not matter: Go reads after the link is gone or the state has changed, both later than this. */
	sched_exit.kind = ei->kind;
}

#endif
