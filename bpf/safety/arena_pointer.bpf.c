// SPDX-License-Identifier: GPL-2.0
/*
 * arena_pointer - a kernel pointer stored in an arena
 *
 * User space reads the arena, and the program reads the pointer back as a number. An arena needs CAP_PERFMON, whose holders may read
 * kernel addresses.
 */
#include "arena.bpf.h"

char _license[] SEC("license") = "GPL";

u64 leaked;

SEC("syscall")
EXPECT("root@6.9 leak")
EXPECT("bpf@6.9 refused: CAP_BPF and CAP_PERFMON are required to use arena")
int arena_pointer(void *ctx)
{
	volatile u64 __arena *page = arena_pages(1);

	if (!page)
		return 1;
	*page = (u64)(long)ctx;
	leaked = *page;
	return 0;
}
