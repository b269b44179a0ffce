// SPDX-License-Identifier: Apache-2.0

// Package bpfobj makes programs and maps in the kernel from compiled BPF objects.
//
// It sets knobs (const volatile variables) and sizes of maps, resolves kfuncs against the running kernel, adapts structs
// of operations, attaches programs to hooks (XDP, tcx, cgroup) and explains the verifier's errors. It does not know
// services, flows or workloads, and it sends no traffic. Nothing is pinned: programs stay attached only while the
// returned value is held.
//
// Neighbours: package bpf has the objects; the families decide which program is attached where.
//
//	loader.go            Options and Loader
//	object.go knobs.go   objects with their variables and sizes set; verifier.go explains load errors
//	place.go xdp.go tcx.go cgroup.go   programs at hooks
//	opsstruct.go ccload.go schedload.go kfunc.go newer.go   structs of operations, and what they need of the kernel
//	attempt.go cast.go   one program that may be refused, with the verifier's message; programs with arenas
//	load.go              objects that are loaded and not attached, with the kernel's figures of their programs
package bpfobj
