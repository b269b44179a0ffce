// SPDX-License-Identifier: GPL-2.0
/*
 * null_sum - arithmetic on a result before its check
 *
 * Null plus eight is not null: the check that follows finds nothing, and the program reads address eight.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

TABLE(1);

SEC("xdp")
EXPECT("root refused: pointer arithmetic on map_value_or_null prohibited")
NAKED int null_sum(void)
{
	asm volatile("r1 = 7;"
		     "*(u32 *)(r10 - 4) = r1;"
		     "r2 = r10;"
		     "r2 += -4;"
		     "r1 = %[table] ll;"
		     "call %[bpf_map_lookup_elem];"
		     "r0 += 4;"
		     "if r0 == 0 goto l0_%=;"
		     "r0 = *(u8 *)(r0 + 0);"
		     "l0_%=:"
		     "r0 = 2;"
		     "exit;" ::[bpf_map_lookup_elem] "i"(BPF_FUNC_map_lookup_elem),
		     [table] "i"(&table)
		     : CLOBBER);
}
