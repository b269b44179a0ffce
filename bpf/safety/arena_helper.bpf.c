// SPDX-License-Identifier: GPL-2.0
/*
 * arena_helper - a pointer into an arena where a helper wants memory
 *
 * The program's own accesses to an arena may fault, as the kernel compiles them so that the fault is caught. A helper's may not, and
 * user space may change the memory while the helper reads it.
 */
#include "arena.bpf.h"

char _license[] SEC("license") = "GPL";

TABLE(1);

SEC("syscall")
EXPECT("root@6.9 refused: R2 type=arena expected=")
EXPECT("bpf@6.9 refused: CAP_BPF and CAP_PERFMON are required to use arena")
int arena_helper(void *ctx)
{
	return bpf_map_lookup_elem(&table, (void *)arena_pages(1)) != NULL;
}
