// SPDX-License-Identifier: GPL-2.0
/*
 * arena_freed - read of an arena's page that was freed
 *
 * The page may belong to others by then. The verifier does not follow which pages a program has; the kernel takes a freed page out of
 * the arena's address space, so that the read faults and gives 0.
 */
#include "arena.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("syscall")
EXPECT("root@6.9 harmless 0")
EXPECT("bpf@6.9 refused: CAP_BPF and CAP_PERFMON are required to use arena")
int arena_freed(void *ctx)
{
	volatile u64 __arena *page = arena_pages(1);

	if (!page)
		return 1;
	*page = 7;
	if (*page != 7)
		return 2;
	bpf_arena_free_pages(&arena, (void __arena *)page, 1);
	return *page;
}
