// SPDX-License-Identifier: Apache-2.0

package site

// A word is one of the lab's, as docs/design.md and the field have it.
type word struct{ ID, Word, Meaning string }

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
		{"none", "~", "no difference shown: the interval holds no effect, or the effect is below the least that counts. It is no proof that there is none"},
	}
}
