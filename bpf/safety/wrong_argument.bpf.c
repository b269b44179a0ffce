// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_argument - a number where a helper wants a map
 *
 * The kernel would follow it.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
EXPECT("root refused: type=scalar expected=map_ptr")
NAKED int wrong_argument(void)
{
	asm volatile("r1 = 1234;"
		     "r2 = r10;"
		     "r2 += -4;"
		     "*(u32 *)(r2 + 0) = r1;"
		     "call %[bpf_map_lookup_elem];"
		     "r0 = 2;"
		     "exit;" ::[bpf_map_lookup_elem] "i"(BPF_FUNC_map_lookup_elem)
		     : CLOBBER);
}
