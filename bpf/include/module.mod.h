/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of a kernel module that a kernel's headers give otherwise. Modules are compiled once and declare what they use. Before one is loaded,
 * harness/kmod moves its init, its exit and its name to where the running kernel's struct module has them, by the kernel's types.
 */
#ifndef KXLAB_MODULE_MOD_H
#define KXLAB_MODULE_MOD_H

#define GLUE_(a, b) a##b
#define GLUE(a, b)  GLUE_(a, b)
#define INFO(text)                                                                                                     \
	static const char GLUE(info_, __COUNTER__)[] __attribute__((section(".modinfo"), used, aligned(1))) = text

INFO("license=GPL");

/* The beginning of struct module as it is compiled: the loader moves the members. */
#define MODULE(start, called)                                                                                          \
	struct {                                                                                                       \
		int (*init)(void);                                                                                     \
		char name[56];                                                                                         \
		char room[4096];                                                                                       \
	} this_module __attribute__((section(".gnu.linkonce.this_module"), used)) = {start, called, {0}}

/* The same of a module that stays until it is removed. */
#define MODULE_STAYS(start, stop, called)                                                                              \
	struct {                                                                                                       \
		int (*init)(void);                                                                                     \
		char name[56];                                                                                         \
		void (*exit)(void);                                                                                    \
		char room[4088];                                                                                       \
	} this_module __attribute__((section(".gnu.linkonce.this_module"), used)) = {start, called, stop, {0}}

#endif
