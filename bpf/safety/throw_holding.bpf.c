// SPDX-License-Identifier: GPL-2.0
/*
 * throw_holding - an exception while a record is held
 *
 * Nothing would hand the record over.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

extern void bpf_throw(u64 cookie) __attribute__((section(".ksyms"))) __attribute__((noreturn));

RING();

SEC("tc")
EXPECT("root@6.7 refused: Unreleased reference")
EXPECT("root@6.18 refused: bpf_throw")
int throw_holding(struct __sk_buff *skb)
{
	u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (record)
		bpf_throw(9);
	return TC_ACT_OK;
}
