// SPDX-License-Identifier: GPL-2.0
/*
 * idle: how long the CPU did nothing.
 *
 * Where the clock counts instructions (target exact), time that is not idle is the number of instructions that were
 * executed. The kernel's own accounts of idle time are too coarse for that: ticks, or none since 7.2. So the time is taken
 * from when the idle loop is about to halt until the first interrupt, or until it goes on.
 *
 * Good for: one CPU, which all exact guests of the experiments that use it have. Weakness: what the programs cost
 * themselves counts as work, some hundred instructions each time the CPU wakes up, the same for all variants; interrupts
 * other than the timer's and devices' end the halt unseen, and count as idle until it goes on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define GOES_ON 0xffffffff /* PWR_EVENT_EXIT, where a state is expected */

__u64 since; /* ns, when the CPU was about to halt; 0: it does not */
__u64 total; /* ns of halts that have ended */

static __always_inline void ends(void)
{
	if (since)
		total += bpf_ktime_get_ns() - since;
	since = 0;
}

SEC("raw_tp/cpu_idle")
int cpu_idle(struct bpf_raw_tracepoint_args *ctx)
{
	if ((__u32)ctx->args[0] == GOES_ON)
		ends();
	else
		since = bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/local_timer_entry")
int local_timer_entry(struct bpf_raw_tracepoint_args *ctx)
{
	ends();
	return 0;
}

SEC("raw_tp/irq_handler_entry")
int irq_handler_entry(struct bpf_raw_tracepoint_args *ctx)
{
	ends();
	return 0;
}
