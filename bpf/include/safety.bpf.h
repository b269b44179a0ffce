/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the programs of the corpus of faults (bpf/safety). Each makes one mistake on purpose and says how each kernel
 * treats it: EXPECT("BY[@SINCE] FATE[ VALUE][: WORDS]"), read by harness/family/safety.
 *
 * BY is root (all rights) or bpf (CAP_BPF, CAP_NET_ADMIN); what is said of root holds for bpf unless bpf has a line of its own.
 * SINCE is the first kernel of which the line is true; without one it is true of all. A kernel older than all lines lacks what
 * the program needs. FATE is refused, harmless, leak or hang; VALUE is what a harmless program returns; WORDS are part of the
 * verifier's message.
 */
#ifndef KXLAB_SAFETY_BPF_H
#define KXLAB_SAFETY_BPF_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#define EXPECT(what) __attribute__((btf_decl_tag("expect:" what)))
#define NAKED	     __attribute__((naked))
#define CLOBBER	     "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "memory"

/* A pointer with a type that only the kernel knows (__kptr of newer libbpf). */
#define KPTR __attribute__((btf_type_tag("kptr")))

/* An array of n values, named values. */
#define VALUES(n)                                                                                                      \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, n);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, u64);                                                                                    \
	} values SEC(".maps")

/* A hash table of n values, named table: a lookup may find nothing. */
#define TABLE(n)                                                                                                       \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, n);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, u64);                                                                                    \
	} table SEC(".maps")

/* A ring buffer, named ring. */
#define RING()                                                                                                         \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, 4096);                                                                             \
	} ring SEC(".maps")

/* n values, each under a lock, named locked. */
struct locked_value {
	struct bpf_spin_lock lock;
	u32 value;
};

#define LOCKED(n)                                                                                                      \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(max_entries, n);                                                                                \
		__type(key, u32);                                                                                      \
		__type(value, struct locked_value);                                                                    \
	} locked SEC(".maps")

#endif
