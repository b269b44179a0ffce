// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const sockReals = 3

// A sockRig is a namespace in whose loopback the reals listen, and a cgroup with the programs attached, in which the
// one thread of the namespace is: it is server and client.
type sockRig struct {
	*natRig
	servers []int // descriptors, TCP and UDP of each real
}

func newSockRig(t *testing.T) *sockRig {
	t.Helper()
	r := &sockRig{natRig: newNATRig(t, "lb/sock_connect", sockReals, nil)}
	group := newCgroup(t)
	for name, p := range r.Programs {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: group, Attach: attachTypes[name], Program: p})
		if err != nil {
			t.Fatalf("attach %s: %v", name, err)
		}
		t.Cleanup(func() { l.Close() })
	}
	// Threads, not the process, so that nothing else in this test is concerned.
	enter := func(group string) error {
		return os.WriteFile(filepath.Join(group, "cgroup.threads"), []byte(strconv.Itoa(unix.Gettid())), 0)
	}
	r.do(t, func() error { return enter(group) })
	t.Cleanup(func() { r.do(t, func() error { return enter(filepath.Dir(group)) }) })
	t.Cleanup(func() {
		for _, fd := range r.servers {
			unix.Close(fd)
		}
	})
	r.do(t, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		for i := range sockReals {
			for _, family := range []int{4, 6} {
				a := &netlink.Addr{IPNet: netlink.NewIPNet(realAddr(family, i).AsSlice()), Flags: unix.IFA_F_NODAD}
				if err := netlink.AddrAdd(lo, a); err != nil {
					return err
				}
				for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
					fd, err := listen(netip.AddrPortFrom(realAddr(family, i), 8080), kind)
					if err != nil {
						return err
					}
					r.servers = append(r.servers, fd)
				}
				if err := awaitLocal(realAddr(family, i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return r
}

// awaitLocal waits until packets to the address are received here: IPv6 enters that route some time after the address.
func awaitLocal(a netip.Addr) error {
	for range 1000 {
		routes, err := netlink.RouteGet(a.AsSlice())
		if err != nil {
			return err
		}
		if len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%v is not local", a)
}

var attachTypes = map[string]ebpf.AttachType{
	"connect4": ebpf.AttachCGroupInet4Connect, "connect6": ebpf.AttachCGroupInet6Connect,
	"sendmsg4": ebpf.AttachCGroupUDP4Sendmsg, "sendmsg6": ebpf.AttachCGroupUDP6Sendmsg,
	"recvmsg4": ebpf.AttachCGroupUDP4Recvmsg, "recvmsg6": ebpf.AttachCGroupUDP6Recvmsg,
	"getpeername4": ebpf.AttachCgroupInet4GetPeername, "getpeername6": ebpf.AttachCgroupInet6GetPeername,
}

// newCgroup makes a threaded cgroup below the one that this process is in, which is the only place where a single
// thread may go.
func newCgroup(t *testing.T) string {
	t.Helper()
	mount, own := "", ""
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(strings.NewReader(string(mounts))); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) > 2 && f[2] == "cgroup2" {
			mount = f[1]
		}
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(strings.NewReader(string(groups))); s.Scan(); {
		if path, ok := strings.CutPrefix(s.Text(), "0::"); ok {
			own = path
		}
	}
	if mount == "" || own == "" {
		t.Fatal("no cgroup v2 mounted")
	}
	group := filepath.Join(mount, own, fmt.Sprintf("kxlab-sock-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			t.Errorf("remove cgroup: %v", err)
		}
	})
	if err := os.WriteFile(filepath.Join(group, "cgroup.type"), []byte("threaded"), 0); err != nil {
		t.Fatalf("make a threaded cgroup: %v", err)
	}
	return group
}

// sockaddr is the address as an IPv6 socket names it, if mapped or if it is IPv6, or as an IPv4 socket does.
func sockaddr(a netip.AddrPort, mapped bool) unix.Sockaddr {
	if a.Addr().Is4() && !mapped {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// addrPort is the reverse, with IPv4-mapped addresses unmapped.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// open opens a socket for the address, one that gives up instead of blocking a test for ever.
func open(a netip.AddrPort, kind int, mapped bool) (int, error) {
	domain := unix.AF_INET
	if a.Addr().Is6() || mapped {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	second := unix.Timeval{Sec: 1}
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &second),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &second))
}

func listen(a netip.AddrPort, kind int) (int, error) {
	fd, err := open(a, kind, false)
	if err != nil {
		return fd, err
	}
	if err := unix.Bind(fd, sockaddr(a, false)); err != nil || kind == unix.SOCK_DGRAM {
		return fd, err
	}
	return fd, unix.Listen(fd, 16)
}

// server returns the UDP (or TCP) server that has something to read, or -1.
func (r *sockRig) server() int {
	var fds []unix.PollFd
	for _, fd := range r.servers {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	if n, err := unix.Poll(fds, 1000); n < 1 || err != nil {
		return -1
	}
	for i, p := range fds {
		if p.Revents&unix.POLLIN != 0 {
			return r.servers[i]
		}
	}
	return -1
}
