// SPDX-License-Identifier: Apache-2.0

// Package vm boots kernels of the caller's choice in QEMU and runs a program in them, in the manner of os/exec: a Kernel
// says what to boot, a Cmd says what to run there, and its error says how it ended.
//
// It owns kernels (kernel.go, apt.go), the initramfs (image.go and its parts), QEMU (qemu.go), the command (cmd.go) and the
// guest's first process (guest.go), which is the same static binary. It knows nothing of experiments: what runs in a guest is a
// command line. Its neighbours are the commands and the runner above, and harness below for "not supported".
//
// A guest has no disk, no network and no input: everything it needs is in its initramfs. What it says comes out of
// two one-way pipes: the console, kept to explain failures and never parsed for results, and the channel, a port to which the
// guest's first process writes frames (frame.go).
package vm
