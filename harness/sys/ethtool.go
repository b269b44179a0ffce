// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ethtool opens a socket and calls f with a function that makes ethtool requests for a link of the calling thread's
// namespace. The argument of a request is its own struct of linux/ethtool.h, which begins with the command.
func Ethtool(link string, f func(request func(unsafe.Pointer) error) error) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer unix.Close(s)
	return f(func(data unsafe.Pointer) error {
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte // the kernel's struct is a union of 24 bytes here
		}
		copy(req.name[:unix.IFNAMSIZ-1], link)
		req.data = data
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
			return errno
		}
		return nil
	})
}
