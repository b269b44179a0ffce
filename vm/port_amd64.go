// SPDX-License-Identifier: Apache-2.0

package vm

import "golang.org/x/sys/unix"

// outBytes writes n bytes to a port of the machine. The thread must have been allowed to.
//
//go:noescape
func outBytes(port uint16, p *byte, n int)

// spin executes 2*n instructions and a handful.
func spin(n int64)

// allowPort lets the calling thread write to a port.
func allowPort(port uint16) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_IOPERM, uintptr(port), 1, 1); errno != 0 {
		return errno
	}
	return nil
}
