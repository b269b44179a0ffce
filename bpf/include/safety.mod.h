/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the kernel modules of the corpus of faults (bpf/safety/NAME.mod.c): the same mistakes as in the BPF programs of the
 * same names, made in C, where nothing stops them.
 *
 * The modules declare what they use of the kernel. Functions that kernels have under several names are weak, and reached through
 * pointers, which are null where there is none.
 *
 * fault() makes the mistake and returns what it noticed of it. EXPECT is that of safety.bpf.h, with BY module and one more FATE:
 * unnoticed.
 */
#ifndef KXLAB_SAFETY_MOD_H
#define KXLAB_SAFETY_MOD_H

#include "module.mod.h"

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define NOINLINE     __attribute__((noinline))

#define EXPECT(what) INFO("expect=" what)

/* Return values of fault(): errors that no loader gives, so that the module does not stay. */
#define UNNOTICED (-125) /* ECANCELED: the mistake was made, and nothing noticed */
#define CORRUPTED (-117) /* EUCLEAN: memory that belongs to others has changed */
#define HARMLESS  (-114) /* EALREADY: there was no mistake */
#define LEAKED	  (-61) /* ENODATA: what is the kernel's reached user space */

int _printk(const char *format, ...);
void kfree(const void *p);
void msleep(u32 ms);
void _raw_spin_lock(u32 *lock);
void _raw_spin_unlock(u32 *lock);
void *__kmalloc(u64 size, u32 flags) __attribute__((weak));
void *__kmalloc_noprof(u64 size, u32 flags) __attribute__((weak));
void __rcu_read_lock(void) __attribute__((weak));

/* A call of a weak function that is not there would not even load. */
static void *(*const volatile allocators[])(u64 size, u32 flags) = {__kmalloc_noprof, __kmalloc};
static void (*const volatile rcu_read_lock)(void) = __rcu_read_lock;

#define GFP_KERNEL 0xcc0 /* include/linux/gfp_types.h */

static inline void *allocate(u64 size)
{
	return (allocators[0] ? allocators[0] : allocators[1])(size, GFP_KERNEL);
}

/* The same value, of which the compiler knows nothing. */
static inline u64 hide(u64 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

/* Objects of one size, of which two lie side by side. */
#define OBJECTS 64
#define OBJECT	64 /* bytes */
static u8 *objects[OBJECTS];

/* Two neighbours, the lower one's index in *low; the upper one holds zeros. -1: there are none. */
static inline int neighbours(int *low)
{
	int i, j;

	for (i = 0; i < OBJECTS; i++) {
		objects[i] = allocate(OBJECT);
		for (j = 0; objects[i] && j < OBJECT; j++)
			((volatile u8 *)objects[i])[j] = 0;
	}
	for (i = 0; i < OBJECTS; i++)
		for (j = 0; j < OBJECTS; j++)
			if (objects[i] && objects[i] + OBJECT == objects[j]) {
				*low = i;
				return j;
			}
	return -1;
}

static int fault(void);

int start(void);
int start(void)
{
	return fault();
}

MODULE(start, "kxlab_fault");

#endif
