// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/sched.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/sched.h.
const (
	SchedExitBt     = 64
	SchedExitReason = 128
	SchedExitMsg    = 1024
	SchedExitDump   = 32768 // the kernel's default for exit_dump_len
)

// SchedExit is struct sched_exit, 34456 bytes.
type SchedExit struct {
	Kind   uint64 // enum scx_exit_kind of the kernel; written last
	Code   int64
	BtLen  uint32 // number of addresses in bt
	Pad    uint32
	Bt     [64]uint64 // kernel addresses, innermost first
	Reason [128]byte
	Msg    [1024]byte
	Dump   [32768]byte
}
