// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_group: starves a task that has moved to another cgroup, for tests.
 */
#include "wrong.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node {
	u64 id;
};
struct cgroup {
	struct kernfs_node *kn;
};
struct css_set {
	struct cgroup *dfl_cgrp;
};
struct task_struct___cgroups {
	struct css_set *cgroups;
};
#pragma clang attribute pop

static u64 group[NOTES]; /* the cgroup in which each task was first seen; 0: not seen */

static bool wronged(struct task_struct *p, u64 enq_flags)
{
	struct task_struct___cgroups *t = (void *)p;
	u64 now = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	u32 i = slot(p);

	if (!group[i])
		group[i] = now;
	return group[i] != now;
}

void SCX_OP(wrong_enable, struct task_struct *p)
{
	group[slot(p)] = 0;
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    WRONG_OPS,
    .enable = (void *)wrong_enable,
    .name = "wrong_group",
};
