// SPDX-License-Identifier: GPL-2.0
/*
 * arena_null - use of an arena's pages that were not to be had
 *
 * More pages are asked for than the arena has, and the result, null, is not checked. The verifier does not ask for the check: null is
 * an address like others among the arena's 4 GB, and has no page.
 */
#include "arena.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("syscall")
EXPECT("root@6.9 harmless 0")
EXPECT("bpf@6.9 refused: CAP_BPF and CAP_PERFMON are required to use arena")
int arena_null(void *ctx)
{
	volatile u64 __arena *pages = arena_pages(ARENA_PAGES + 1);

	*pages = 7;
	return *pages;
}
