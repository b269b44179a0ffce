// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/stacks.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/stacks.h.
const (
	StackDepth = 127 // functions of a stack, of the kernel or of a program: the kernel's own bound
	StackTask  = 16  // bytes of a task's name
)

// StackSample is struct stack_sample, 32 bytes.
type StackSample struct {
	Pid    uint32 // of the thread
	Tgid   uint32
	Kernel uint32 // bytes of addresses
	User   uint32 // bytes of addresses
	Task   [16]byte
}

// StackKey is struct stack_key, 32 bytes.
type StackKey struct {
	Tgid   uint32
	Kernel int32  // an id in the map stacks, or a negative error number
	User   int32  // an id in the map stacks, or a negative error number; 0xffff of a kernel thread
	Waits  uint32 // 1: the task was able to run and waited for a CPU
	Task   [16]byte
}

// The values of enum stack_lost.
const (
	StackLostRing    = iota // samples for which the ring buffer had no room
	StackLostKernel         // kernel stacks of samples that could not be read
	StackLostUser           // stacks of programs in samples that could not be read
	StackLostOthers         // samples of programs that are not the lab's
	StackLostBlocked        // tasks that left the CPU and for which a map had no room
	StackLostIds            // stacks of blocked tasks without an id: another stack has its place, or the map is full
	StackLosses
)

// StackLostNames are the names of enum stack_lost, in its order.
var StackLostNames = [StackLosses]string{
	"ring",
	"kernel",
	"user",
	"others",
	"blocked",
	"ids",
}
