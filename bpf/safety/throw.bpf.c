// SPDX-License-Identifier: GPL-2.0
/*
 * throw - an exception
 *
 * The program ends at once, from any depth, and the kernel unwinds its stack (since 6.7).
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

extern void bpf_throw(u64 cookie) __attribute__((section(".ksyms"))) __attribute__((noreturn));

static __attribute__((noinline)) int deep(u32 x)
{
	volatile u32 y = x;

	if (y != 1)
		bpf_throw(9);
	return y;
}

SEC("tc")
EXPECT("root@6.7 harmless 9")
int throw(struct __sk_buff * skb)
{
	return deep(bpf_get_prandom_u32() | 2);
}
