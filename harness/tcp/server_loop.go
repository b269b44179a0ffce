// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// A serverLoop is one thread that serves some of the reals. A socket stays in the namespace in which it was made, so one
// thread can serve hosts of several namespaces.
type serverLoop struct {
	cpu   int // -1: not pinned
	epoll int
	wake  int           // eventfd that ends run
	socks []*serverSock // by descriptor
	buf   []byte        // of reads, and of requests and responses over UDP
}

type serverKind uint8

const (
	sockListen serverKind = iota
	sockStream
	sockDatagram
)

// A serverSock is one socket of a loop.
type serverSock struct {
	kind   serverKind
	real   int
	family int
	// partial is the beginning of an incomplete request; complete ones, the common case, are not copied.
	partial []byte
	out     []byte // unsent part of responses
	events  uint32 // of the epoll set
}

func newServerLoop(cpu int) (*serverLoop, error) {
	l := &serverLoop{cpu: cpu, buf: make([]byte, 64<<10)}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make server: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = watch(l.epoll, unix.EPOLL_CTL_ADD, l.wake, unix.EPOLLIN, l.wake)
	}
	if err != nil {
		_ = unix.Close(l.epoll)
		return nil, fmt.Errorf("make server: %w", err)
	}
	return l, nil
}

// listen opens the sockets of one real, in the namespace of the calling thread.
func (l *serverLoop) listen(real int, ports []int) error {
	for _, port := range ports {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			for _, s := range []struct {
				socket int
				kind   serverKind
			}{{unix.SOCK_STREAM, sockListen}, {unix.SOCK_DGRAM, sockDatagram}} {
				fd, err := listenSocket(family, s.socket, port)
				if err != nil {
					return err
				}
				if err := l.add(fd, &serverSock{kind: s.kind, real: real, family: family}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (l *serverLoop) add(fd int, s *serverSock) error {
	if err := watch(l.epoll, unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, fd); err != nil {
		_ = unix.Close(fd)
		return err
	}
	s.events = unix.EPOLLIN
	for fd >= len(l.socks) {
		l.socks = append(l.socks, nil)
	}
	l.socks[fd] = s
	return nil
}

func (l *serverLoop) drop(fd int) {
	_ = unix.Close(fd) // leaves the epoll set, too
	l.socks[fd] = nil
}

// run serves until stop.
func (l *serverLoop) run() {
	if l.cpu >= 0 {
		_ = sys.Pin(0, l.cpu) // fails if the CPU is offline; then the thread is not pinned
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return
		}
		for i := range max(n, 0) {
			fd := int(events[i].Fd)
			if fd == l.wake {
				return
			}
			s := l.socks[fd]
			switch {
			case s == nil:
			case s.kind == sockListen:
				l.accept(fd, s)
			case s.kind == sockDatagram:
				l.datagrams(fd, s)
			case events[i].Events&unix.EPOLLOUT != 0:
				l.flush(fd, s)
			default:
				l.read(fd, s)
			}
		}
	}
}

func (l *serverLoop) stop() { _, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// close frees everything; run must have ended or never begun.
func (l *serverLoop) close() {
	for fd, s := range l.socks {
		switch {
		case s == nil:
		case s.kind == sockStream:
			reset(fd)
		default:
			_ = unix.Close(fd)
		}
	}
	_ = unix.Close(l.wake)
	_ = unix.Close(l.epoll)
}

func (l *serverLoop) accept(listener int, ls *serverSock) {
	for range 64 { // then serve other sockets
		fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return
		}
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = l.add(int(fd), &serverSock{kind: sockStream, real: ls.real, family: ls.family})
	}
}

// read reads from a connection and answers every complete request.
func (l *serverLoop) read(fd int, s *serverSock) {
	n, err := unix.Read(fd, l.buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		l.drop(fd)
		return
	}
	in := l.buf[:n]
	if len(s.partial) > 0 {
		s.partial = append(s.partial, in...)
		in = s.partial
	}
	for len(in) >= wireHeader {
		req, err := parseRequest(in)
		if err != nil {
			l.drop(fd) // not a client of the lab
			return
		}
		if len(in) < req.size {
			break
		}
		at := len(s.out)
		s.out = slices.Grow(s.out, req.response)[:at+req.response]
		putResponse(s.out[at:], s.real, checksum(in[:req.size]), req.seq)
		in = in[req.size:]
	}
	if len(in) > 0 || len(s.partial) > 0 {
		s.partial = append(s.partial[:0:0], in...)
	}
	if len(s.out) > 0 {
		l.flush(fd, s)
	}
}

// flush writes responses, now or when the socket has room.
func (l *serverLoop) flush(fd int, s *serverSock) {
	n, err := unix.Write(fd, s.out)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		l.drop(fd)
		return
	}
	s.out = s.out[max(n, 0):]
	if len(s.out) == 0 {
		s.out = nil
	}
	want := uint32(unix.EPOLLIN)
	if len(s.out) > 0 {
		want = unix.EPOLLOUT // and read no more until all is written
	}
	if want != s.events {
		s.events = want
		_ = watch(l.epoll, unix.EPOLL_CTL_MOD, fd, want, fd)
	}
}
