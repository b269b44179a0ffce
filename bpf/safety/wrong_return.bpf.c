// SPDX-License-Identifier: GPL-2.0
/*
 * wrong_return - a return value that the hook does not know
 *
 * The kernel's caller relies on the value: here 0 or 1.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("cgroup/sock_create")
EXPECT("root refused: should have been in (0x0; 0x1)")
EXPECT("root@6.8 refused: should have been in [0, 1]")
int wrong_return(struct bpf_sock *ctx)
{
	return 5;
}
