// SPDX-License-Identifier: Apache-2.0

// Package vm boots a kernel in QEMU and runs a program in it, in the manner of os/exec: a Kernel is what to boot, a Cmd is the
// program to run, and its error tells how the guest ended.
//
// The package owns kernels (kernel.go, apt.go), the initramfs (image.go, cpio.go), QEMU (qemu.go), the command (cmd.go) and the
// guest's first process (guest.go), which is the same static binary. It knows nothing of experiments: a guest runs a command line.
// Its neighbours are the commands and the runner above, and harness below for "not supported".
//
// A guest has no disk, no network and no input: everything it needs is in its initramfs. Its output leaves through two one-way
// pipes: the console, which explains failures and is never parsed for results, and the channel, a port to which the guest's first
// process writes frames (frame.go).
package vm
