/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the balancer stands: the variable cfg, which the control plane sets before load.
 */
#ifndef KXLAB_CONFIG_BPF_H
#define KXLAB_CONFIG_BPF_H

#include <linux/types.h>
#include "lb.h"

const volatile struct lb_config cfg;

#endif
