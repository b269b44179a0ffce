// SPDX-License-Identifier: Apache-2.0

// Package bpfobj makes programs and maps in the kernel from compiled BPF objects.
//
// It owns what lies between an object's specification and its programs: knobs (const volatile variables), sizes of maps,
// kfuncs resolved against the running kernel, structs of operations, hooks (XDP, tcx, cgroup) and the explanation of what
// the verifier refuses. It does not know services, flows or workloads, and it sends no traffic. Programs stay attached
// only while the returned value is held: nothing is pinned.
//
// Neighbours: package bpf has the objects; the families say what is attached where.
//
//	loader.go            Options and Loader: what was read of the running kernel
//	object.go knobs.go   an object with its variables and sizes set; verifier.go explains refusals
//	place.go xdp.go tcx.go cgroup.go   a program at a hook
//	opsstruct.go ccload.go schedload.go kfunc.go   structs of operations, and what they need of the kernel
//	load.go program.go   an object that is loaded and attached to nothing, and what the kernel made of it
package bpfobj
