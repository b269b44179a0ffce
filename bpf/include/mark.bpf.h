/* SPDX-License-Identifier: GPL-2.0 */
/* mark: instructions that QEMU's plug-in for counting (vm/plugin/counts.c) knows by their bytes. */
#ifndef KXLAB_MARK_BPF_H
#define KXLAB_MARK_BPF_H

/* Ends a lap of the window that is counted. The JIT compiles the constant to movabs, whatever the register. */
static __always_inline void mark_lap(void)
{
	__u64 constant;

	asm volatile("%0 = 0x6b786c61626d6b01 ll" : "=r"(constant));
}

#endif
