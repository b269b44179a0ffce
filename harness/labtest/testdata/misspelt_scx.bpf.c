// SPDX-License-Identifier: GPL-2.0
/*
 * misspelt_scx: scx-fifo with a misspelt kfunc, which no kernel has, for tests.
 */
#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

extern void scx_bpf_dsq_inserr(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym;

void SCX_OP(misspelt_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_inserr(p, SCX_DSQ_GLOBAL, NSEC_PER_USEC, enq_flags);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)misspelt_enqueue,
    .exit = (void *)record_exit,
    .name = "misspelt",
};
