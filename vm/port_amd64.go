// SPDX-License-Identifier: Apache-2.0

package vm

import "golang.org/x/sys/unix"

// outBytes writes n bytes to a port of the machine. The thread must have been allowed to.
//
//go:noescape
func outBytes(port uint16, p *byte, n int)

// outWord writes 16 bits to a port of the machine, inBytes reads n bytes from one. The thread must have been allowed to.
func outWord(port, value uint16)

//go:noescape
func inBytes(port uint16, p *byte, n int)

// spin executes 2*n instructions and a handful.
func spin(n int64)

// allowPorts lets the calling thread use n ports from the given one on.
func allowPorts(port uint16, n int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_IOPERM, uintptr(port), uintptr(n), 1); errno != 0 {
		return errno
	}
	return nil
}
