// SPDX-License-Identifier: Apache-2.0

package site

// A word is one of the lab's, as docs/design.md has it, or of the field.
type word struct{ ID, Word, Meaning string }

// words are those of the lab.
func words() []word {
	return []word{
		{"experiment", "experiment", "a question with its variants, workloads, axes and plots"},
		{"family", "family", "a kind of kernel extension: load balancers, congestion controls, schedulers"},
		{"variant", "variant", "one implementation in the comparison, in the kernel or in BPF"},
		{"class", "class", "variants that do the same work and may be ranked together"},
		{"workload", "workload", "what drives the kernel: a packet stream, connections, changes"},
		{"axis", "axis", "a parameter that is swept: services, flows, size, rate"},
		{"cell", "cell", "one combination of workload, variant and axis values"},
		{"trial", "trial", "one measurement of one cell"},
		{"repeat", "repeat", "one trial of each cell, in a random order; values of one repeat are compared with each other"},
		{"target", "target", "where trials run: host (this kernel), vm (a chosen kernel in a guest), exact (the same with a clock that counts instructions)"},
		{"baseline", "baseline", "the variant that the others are held against"},
		{"ceiling", "ceiling", "a variant that does no work: the physical limit on the machine"},
		{"set-up", "set-up axis", "an axis whose change needs the variants to be set up anew"},
		{"gate", "gate", "a test of correctness that a variant passes before its numbers count"},
		{"interval", "interval", "the range that holds the median of many more trials with the stated confidence; of quotients and differences, paired by repeat"},
		{"aa", "A/A", "one variant measured twice under two names: the difference between both is noise"},
		{"shown", "shown", "of a claim: the whole interval is on the claim's side of its figure"},
		{"contradicted", "contradicted", "of a claim: the whole interval is on the other side of its figure"},
		{"not-shown", "not shown", "of a claim: the interval holds the figure"},
		{"better", "better, worse", "of a variant: the whole interval is on one side of no difference, and the median reaches the least that counts"},
		{"none", "~", "no difference shown: the interval holds no effect, or the effect is below the least that counts. It is no proof that there is none"},
	}
}

// terms are words of the field that pages use without saying what they mean.
func terms() []word {
	return []word{
		{"backend", "backend", "a server to which a load balancer sends connections"},
		{"batch", "batch threads", "threads that compute without sleeping, beside the work that is measured"},
		{"bbr", "BBR", "a congestion control that paces by a model of the path's bandwidth and round trip; bpf-bbr is a port to BPF"},
		{"bdp", "BDP", "bandwidth-delay product: the bytes that fill a path, its rate times its round trip. Buffers are given in BDP"},
		{"bpf", "BPF", "programs that the kernel verifies, compiles and runs at its hooks"},
		{"control", "control", "a variant that is wrong on purpose: a report that does not find it so is wrong itself"},
		{"conntrack", "conntrack", "the kernel's table of connections, which iptables and nftables use to translate addresses"},
		{"crr", "crr", "workload: connect, request, response, close; short connections, one after another"},
		{"cubic", "cubic", "the kernel's default congestion control (RFC 9438)"},
		{"dsr", "DSR", "direct server return: the balancer rewrites MAC addresses only, and backends answer the client directly"},
		{"eevdf", "EEVDF", "the kernel's own CPU scheduler: earliest eligible virtual deadline first"},
		{"first-packet", "first packet, newflow", "the first packet of a connection, for which the balancer has to look up the service and choose a backend"},
		{"insn", "insn", "instructions that the guest executed, the kernel's and the programs' together (target exact)"},
		{"ipip", "IPIP", "class of balancers that put the packet into another IP packet to the backend, which answers the client directly"},
		{"ipvs", "IPVS", "the kernel's own load balancer"},
		{"involuntary", "involuntary context switch", "the scheduler takes the CPU from a task that could have gone on"},
		{"jain", "Jain's index", "fairness of flows: 1 if all get the same, 1/n if one of n gets everything"},
		{"maglev", "Maglev, mh", "consistent hashing of connections to backends, by a table of slots"},
		{"nat", "NAT", "class of balancers that rewrite the destination's address and port; answers come back through the balancer"},
		{"oops", "oops, hang, corruption, leak", "what a fault did: the kernel reported an exception; a CPU or task did not come back; kernel memory was changed unnoticed; kernel memory or an address reached user space"},
		{"p50", "p50, p95, p99", "quantiles: half, 95 % or 99 % of the values are no higher"},
		{"point", "point", "a difference of shares: from 3 % to 5 % are 2 points"},
		{"pps", "pps", "workload: packets a second of established flows, counted at the backends"},
		{"profile", "smoke, quick, wide, full", "profiles of a run: how much of an experiment is measured, and how often"},
		{"proxy", "proxy", "a program that ends the client's connection and makes another one to a backend"},
		{"ratio", "x 2.35", "of a cell: the value is 2.35 times the baseline's; +12 % and -12 % say the same of ratios near 1"},
		{"refused", "refused, harmless, unnoticed", "what became of a fault: not loaded; run, and the kernel made it harmless; it took place, and nothing noticed"},
		{"rr", "rr", "workload: request and response on connections that stay open"},
		{"rtt", "round trip, rtt", "the time from a packet to its acknowledgement, with the time in queues"},
		{"scx", "scx, sched_ext", "CPU schedulers that are BPF programs; the names of variants begin with scx-"},
		{"served", "served share", "of the packets carried: the share that came and that exactly one version had seen"},
		{"struct-ops", "struct_ops", "the way in which a BPF program becomes a congestion control or a scheduler"},
		{"tc", "tc, tcx", "a BPF hook behind the making of a socket buffer, where the kernel receives a packet"},
		{"taken", "taken share", "of two flows at one bottleneck: the share of their bytes that the variant's flow got; 50 % is fair"},
		{"verifier", "verifier", "the part of the kernel that reads a BPF program before it runs, and refuses what it cannot prove safe"},
		{"xdp", "XDP", "a BPF hook at the network driver, before the kernel makes a socket buffer"},
	}
}
