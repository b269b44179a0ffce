/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Structs that the sampler of stacks shares with Go. bpf/abi/stacks.go is generated from this header. No code, no maps.
 */
#ifndef KXLAB_STACKS_H
#define KXLAB_STACKS_H

#define STACK_DEPTH 127 /* functions of a stack, of the kernel or of a program: the kernel's own bound */

#define STACK_TASK  16 /* bytes of a task's name */

/* The head of a sample in the ring buffer. The addresses follow, each 8 bytes and the innermost first: the kernel's, then the
 * program's. */
struct stack_sample {
	__u32 pid; /* of the thread */
	__u32 tgid;
	__u32 kernel; /* bytes of addresses */
	__u32 user; /* bytes of addresses */
	__u8 task[STACK_TASK];
};

/* The place of a task when it left the CPU. */
struct stack_key {
	__u32 tgid;
	__s32 kernel; /* an id in the map stacks, or a negative error number */
	__s32 user; /* an id in the map stacks, or a negative error number; 0xffff of a kernel thread */
	__u32 waits; /* 1: the task was able to run and waited for a CPU */
	__u8 task[STACK_TASK];
};

/* The losses that are counted; the variable lost. */
enum stack_lost {
	STACK_LOST_RING, /* samples for which the ring buffer had no room */
	STACK_LOST_KERNEL, /* kernel stacks of samples that could not be read */
	STACK_LOST_USER, /* stacks of programs in samples that could not be read */
	STACK_LOST_OTHERS, /* samples of programs that are not the lab's */
	STACK_LOST_BLOCKED, /* tasks that left the CPU and for which a map had no room */
	STACK_LOST_IDS, /* stacks of blocked tasks without an id: another stack has its place, or the map is full */
	STACK_LOSSES,
};

#endif
