// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/safety.mod.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/safety.mod.h.
const (
	Unnoticed = (-125) // ECANCELED: the mistake was made, and nothing noticed
	Corrupted = (-117) // EUCLEAN: memory that belongs to others has changed
	Harmless  = (-114) // EALREADY: there was no mistake
	Leaked    = (-61)  // ENODATA: what is the kernel's reached user space
	GfpKernel = 0xcc0  // include/linux/gfp_types.h
	Objects   = 64
	Object    = 64 // bytes
)
