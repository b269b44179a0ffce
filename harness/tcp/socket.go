// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// reset closes a connection with RST, so that nothing of it is left in TIME_WAIT.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

// watch adds a descriptor to an epoll set, or with EPOLL_CTL_MOD changes its events. Events carry id.
func watch(epoll, operation, fd int, events uint32, id int) error {
	if err := unix.EpollCtl(epoll, operation, fd, &unix.EpollEvent{Events: events, Fd: int32(id)}); err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

// socketError returns the pending error of a socket, such as that of a connect.
func socketError(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
