// SPDX-License-Identifier: Apache-2.0

package vm

import "golang.org/x/sys/unix"

// outBytes writes n bytes to an I/O port. The thread needs the permission: see allowPorts.
//
//go:noescape
func outBytes(port uint16, p *byte, n int)

// outWord writes 16 bits to an I/O port.
func outWord(port, value uint16)

// inBytes reads n bytes from an I/O port.
//
//go:noescape
func inBytes(port uint16, p *byte, n int)

// spin executes 2*n instructions and a few more.
func spin(n int64)

// allowPorts gives the calling thread the permission for n I/O ports from port on.
func allowPorts(port uint16, n int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_IOPERM, uintptr(port), uintptr(n), 1); errno != 0 {
		return errno
	}
	return nil
}
