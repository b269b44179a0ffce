// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

// ServerOptions describe the servers. The zero value means the defaults.
type ServerOptions struct {
	// Ports are listened on, TCP and UDP, on all addresses of the real, its VIPs among them; default 80 and 8080.
	Ports []int
	// CPUs gives one thread for each entry, pinned; the reals are dealt out to the threads. Empty: one thread, not pinned.
	CPUs []int
	// Alone lets the threads run before all others of their CPUs but those that are alone as well (SCHED_FIFO).
	Alone bool
}

// Servers answer requests in real hosts until closed.
type Servers struct {
	loops []*serverLoop
	done  sync.WaitGroup
}

// Serve starts a server in every host. Each answers with the index of its host.
func Serve(reals []*netlab.Host, opts ServerOptions) (*Servers, error) {
	if len(opts.Ports) == 0 {
		opts.Ports = []int{80, 8080}
	}
	cpus := opts.CPUs
	if len(cpus) == 0 {
		cpus = []int{-1}
	}
	s := &Servers{}
	for _, cpu := range cpus {
		l, err := newServerLoop(cpu)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.loops = append(s.loops, l)
	}
	for i, h := range reals {
		l := s.loops[i%len(s.loops)]
		if err := h.Do(func() error { return l.listen(h.Index, opts.Ports) }); err != nil {
			return nil, errors.Join(fmt.Errorf("serve in %s: %w", h.Name, err), s.Close())
		}
	}
	for _, l := range s.loops {
		s.done.Add(1)
		ready := make(chan error)
		go func() {
			defer s.done.Done()
			runtime.LockOSThread() // not unlocked: the pinned thread ends here
			var err error
			if opts.Alone {
				err = sys.SetAlone()
			}
			ready <- err
			l.run()
		}()
		if err := <-ready; err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close ends the servers and all their connections, which their clients see as reset.
func (s *Servers) Close() error {
	for _, l := range s.loops {
		l.stop()
	}
	s.done.Wait()
	for _, l := range s.loops {
		l.close()
	}
	s.loops = nil
	return nil
}

// listenSocket makes a listening TCP or a bound UDP socket on all addresses of one family, in the namespace of the calling
// thread.
func listenSocket(family, kind, port int) (fd int, err error) {
	fd, err = unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, fmt.Errorf("set SO_REUSEADDR: %w", err)
	}
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: port}
	// Answers over UDP must come from the address that was asked.
	level, info := unix.SOL_IP, unix.IP_PKTINFO
	if family == unix.AF_INET6 {
		sa = &unix.SockaddrInet6{Port: port}
		level, info = unix.SOL_IPV6, unix.IPV6_RECVPKTINFO
		if err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return -1, fmt.Errorf("set IPV6_V6ONLY: %w", err)
		}
	}
	if kind == unix.SOCK_DGRAM {
		if err = unix.SetsockoptInt(fd, level, info, 1); err != nil {
			return -1, fmt.Errorf("ask for packet info: %w", err)
		}
	}
	if err = unix.Bind(fd, sa); err != nil {
		return -1, fmt.Errorf("bind to port %d: %w", port, err)
	}
	if kind == unix.SOCK_STREAM {
		if err = unix.Listen(fd, 16384); err != nil {
			return -1, fmt.Errorf("listen on port %d: %w", port, err)
		}
	}
	return fd, nil
}
