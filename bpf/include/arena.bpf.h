/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An arena of the corpus of faults (bpf/safety): memory that a program shares with user space (since 6.9).
 *
 * The verifier follows a pointer that the instruction addr_space_cast made, of any number. The compiler emits it wherever a pointer of
 * type __arena is followed. Such a pointer has the number's lower 32 bits, so that it stays within the arena's 4 GB.
 */
#ifndef KXLAB_ARENA_BPF_H
#define KXLAB_ARENA_BPF_H

#include "safety.bpf.h"

/* The arena's pages, and where user space sees them. */
#define ARENA_PAGES 4
#define ARENA_PAGE  4096
#define ARENA_AT    0x10000000

#define __arena	    __attribute__((address_space(1)))

struct {
	__uint(type, 33 /* BPF_MAP_TYPE_ARENA */);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ARENA_PAGES);
	__uint(map_extra, ARENA_AT);
} arena SEC(".maps");

/* Pages at any address, from any node of memory (-1); NULL: there are not so many. They have user space's address. */
extern void __arena *bpf_arena_alloc_pages(void *map, void __arena *address, u32 pages, int node, u64 flags)
    __attribute__((section(".ksyms")));
extern void bpf_arena_free_pages(void *map, void __arena *address, u32 pages) __attribute__((section(".ksyms")));

static __always_inline volatile u64 __arena *arena_pages(u32 pages)
{
	return bpf_arena_alloc_pages(&arena, NULL, pages, -1, 0);
}

#endif
