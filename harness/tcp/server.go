// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

// ServerOptions describe the servers. The zero value means the defaults.
type ServerOptions struct {
	// Ports are the TCP and UDP ports, on all addresses of the real, its VIPs among them; default 80 and 8080.
	Ports []int
	// CPUs has one entry for each thread, which is pinned there; each thread serves its share of the reals. Empty: one thread,
	// not pinned.
	CPUs []int
	// Alone gives the threads real-time priority (SCHED_FIFO).
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
		ready := make(chan error)
		s.done.Go(func() {
			sys.OnThread(func() { // which l.run pins
				var err error
				if opts.Alone {
					err = sys.SetAlone()
				}
				ready <- err
				l.run()
			})
		})
		if err := <-ready; err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close ends the servers and resets all their connections.
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
	type option struct {
		name        string
		level, code int
	}
	options := []option{{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR}}
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: port}
	info := option{"IP_PKTINFO", unix.SOL_IP, unix.IP_PKTINFO}
	if family == unix.AF_INET6 {
		sa = &unix.SockaddrInet6{Port: port}
		info = option{"IPV6_RECVPKTINFO", unix.SOL_IPV6, unix.IPV6_RECVPKTINFO}
		options = append(options, option{"IPV6_V6ONLY", unix.SOL_IPV6, unix.IPV6_V6ONLY})
	}
	if kind == unix.SOCK_DGRAM { // a response must come from the destination of its request
		options = append(options, info)
	}
	for _, o := range options {
		if err == nil {
			err = harness.Wrap(unix.SetsockoptInt(fd, o.level, o.code, 1), "set %s", o.name)
		}
	}
	if err == nil {
		err = harness.Wrap(unix.Bind(fd, sa), "bind to port %d", port)
	}
	if err == nil && kind == unix.SOCK_STREAM {
		err = harness.Wrap(unix.Listen(fd, 16384), "listen on port %d", port)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
