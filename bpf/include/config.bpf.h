/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The balancer's place in the network: the variable cfg, which the control plane sets before load, and the test for frames to
 * the balancer.
 */
#ifndef KXLAB_CONFIG_BPF_H
#define KXLAB_CONFIG_BPF_H

#include <linux/if_ether.h>
#include <linux/types.h>
#include <stdbool.h>
#include "lb.h"

const volatile struct lb_config cfg;

/* Tells whether the frame is for this station. A bridge floods frames for others, which must pass unchanged. */
static __always_inline bool is_for_us(const struct ethhdr *eth)
{
	return *(const __u32 *)eth->h_dest == *(const volatile __u32 *)cfg.mac &&
	       *(const __u16 *)(eth->h_dest + 4) == *(const volatile __u16 *)(cfg.mac + 4);
}

#endif
