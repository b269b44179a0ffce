// SPDX-License-Identifier: Apache-2.0

// Package attach puts a variant in force at a site and takes it out again, whatever the variant is made of: a BPF
// program on XDP, tcx or cgroup hooks, rules of the kernel's own packet filters, a congestion control, or a CPU scheduler.
// All balancers come out as a harness.Balancer, all congestion controls as a harness.CongestionControl and all schedulers
// as a harness.Scheduler, so nobody above knows the difference.
//
// It owns what is in force between Put and Close: programs, links, maps and rules, and for the BPF objects the control
// plane that turns services into rings of backends. It does not own the site: namespaces, links, addresses and routes
// are made by netlab, and it sends no traffic. What is attached stays attached only as long as the Balancer is held:
// nothing is pinned.
//
// Neighbours: harness gives the words, bpf the compiled objects; runner calls Put through harness.Member.
//
//	attach.go      the table of methods
//	object.go knobs.go   from an object's specification to its programs and maps in the kernel; verifier.go explains refusals
//	balancer.go          a BPF object in force: its hooks, its control plane and what it reports
//	xdp.go tcx.go cgroup.go           the hooks
//	load.go              an object loaded and attached to nothing
//	services.go rings.go              which service uses which ring and which reals; reals.go and lines.go number them (pure)
//	lbmaps.go flows.go                the same, written to the maps of bpf/include/lb.h, and flow tables emptied
//	ring.go maglev.go rendezvous.go   who gets which slot of a ring (pure)
//	iptables, nftables, ipvs, forward the kernel's own
//	structops.go ccload.go ccname.go  a congestion control in force, loaded, named; opsstruct.go is its struct before that (pure)
//	kernelcc.go                       the kernel's own congestion controls
//	schedext.go eevdf.go              a scheduler in force: a BPF one, the kernel's own; schedstate.go is what the kernel says
//	schedload.go kfunc.go             a scheduler set and resolved for the running kernel; schedexit.go why it ended
package bpfobj
