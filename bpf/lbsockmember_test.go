// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSockKeepsToService: a socket that keeps sending to one service keeps its real while that is the service's.
func TestSockKeepsToService(t *testing.T) {
	r := newSockRig(t)
	for _, c := range sockCases {
		for _, change := range []string{"nothing", "its real was taken out", "the service was deleted and added again"} {
			moved := 0
			for range 12 { // the real is chosen by chance: that all choose the same as before has odds of 3^-12
				r.setService(t, 0, generation(0), 0)
				fd := -1
				first := 0
				r.do(t, func() (err error) {
					if fd, err = open(service(c.family, 0), unix.SOCK_DGRAM, c.mapped); err != nil {
						return err
					}
					first, _, err = r.echo(fd, sockaddr(service(c.family, 0), c.mapped))
					return err
				})
				index := uint32(slices.Index(r.servers, first) / 4)
				if c.family == 6 {
					index += sockReals
				}
				switch change {
				case "its real was taken out":
					r.put(t, "removed", testRemoved{Generation: generation(0), Real: index}, uint32(0))
					r.setService(t, 0, generation(0), vipRemoved)
				case "the service was deleted and added again":
					r.setService(t, 0, 0, 0)
					r.setService(t, 0, 77, 0)
				}
				r.do(t, func() error {
					now, _, err := r.echo(fd, sockaddr(service(c.family, 0), c.mapped))
					if now != first {
						moved++
					}
					return errors.Join(err, unix.Close(fd))
				})
				_ = r.Maps["removed"].Delete(testRemoved{Generation: generation(0), Real: index})
			}
			if (moved > 0) != (change != "nothing") {
				t.Errorf("%s: %s: %d of 12 sockets moved to another real", c.name, change, moved)
			}
		}
	}
}

// TestSockDirect: a socket that talked to a service, and then to a machine that also is the service's backend, is told
// that machine's own address.
func TestSockDirect(t *testing.T) {
	r := newSockRig(t)
	for _, c := range sockCases {
		for _, connected := range []bool{false, true} {
			r.do(t, func() error {
				name := fmt.Sprintf("%s, connected %v", c.name, connected)
				to := func(a netip.AddrPort) unix.Sockaddr { return sockaddr(a, c.mapped) }
				fd, err := open(service(c.family, 0), unix.SOCK_DGRAM, c.mapped)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				talk := func(a netip.AddrPort) (int, error) {
					if !connected {
						server, from, err := r.echo(fd, to(a))
						if err == nil && from != a {
							err = fmt.Errorf("%s: sent to %v, told that the answer came from %v", name, a, from)
						}
						return server, err
					}
					if err := errors.Join(unix.Connect(fd, to(a)), peer(fd, a)); err != nil {
						return 0, fmt.Errorf("%s: connected to %v: %w", name, a, err)
					}
					server, from, err := r.echo(fd, nil)
					if err == nil && from != a {
						err = fmt.Errorf("%s: connected to %v, told that the answer came from %v", name, a, from)
					}
					return server, err
				}
				server, err := talk(service(c.family, 0))
				if err != nil {
					return err
				}
				sa, err := unix.Getsockname(server)
				if err != nil {
					return err
				}
				if _, err := talk(addrPort(sa)); err != nil {
					return err
				}
				_, err = talk(service(c.family, 0))
				return err
			})
		}
	}
}

// TestSockMPTCP: a socket of MPTCP gets the service by the TCP socket below it.
func TestSockMPTCP(t *testing.T) {
	r := newSockRig(t)
	r.do(t, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
		if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ENOPROTOOPT) {
			t.Log("no MPTCP in this kernel")
			return nil
		}
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		before := r.flowsIn("flows")
		err = unix.Connect(fd, sockaddr(service(4, 0), false))
		if now := r.flowsIn("flows"); err == nil && now != before+1 {
			err = fmt.Errorf("%d entries, want one more than %d", now, before)
		}
		return err
	})
}

func (r *natRig) flowsIn(name string) (n int) {
	key, value := make([]byte, r.Maps[name].KeySize()), make([]byte, r.Maps[name].ValueSize())
	for it := r.Maps[name].Iterate(); it.Next(&key, &value); {
		n++
	}
	return n
}
