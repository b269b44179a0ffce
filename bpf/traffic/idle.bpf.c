// SPDX-License-Identifier: GPL-2.0
/*
 * idle: measures the idle time of the CPU.
 *
 * Where the clock counts instructions (target exact), time that is not idle is the number of executed instructions. The
 * kernel's own idle time is too coarse for that: ticks, or none since 7.2. So idle time is measured from the point where
 * the idle loop is about to halt to the first interrupt, or to the point where the loop continues.
 *
 * Good for: one CPU, as in all exact guests of the experiments that use it.
 *
 * Known weakness: the cost of the programs themselves counts as work, some hundred instructions at each wakeup, the same
 * for all variants. Interrupts other than the timer's and devices' are not observed and count as idle until the loop
 * continues.
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
