// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// sockCases are the addresses that tests dial: both families, and IPv4 by an IPv6 socket.
var sockCases = []struct {
	name   string
	family int
	mapped bool
}{{"ip=4", 4, false}, {"ip=6", 6, false}, {"ip=4 mapped", 4, true}}

func service(family, i int) netip.AddrPort { return netip.AddrPortFrom(vip(family, i), 80) }

// peer wants the service, not the real, in what getpeername says.
func peer(fd int, want netip.AddrPort) error {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return fmt.Errorf("getpeername: %w", err)
	}
	if got := addrPort(sa); got != want {
		return fmt.Errorf("getpeername says %v, want %v", got, want)
	}
	return nil
}

func TestSockTCP(t *testing.T) {
	r := newSockRig(t)
	for _, c := range sockCases {
		hits := map[int]int{}
		for range 60 {
			r.do(t, func() error {
				fd, err := open(service(c.family, 0), unix.SOCK_STREAM, c.mapped)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				if err := unix.Connect(fd, sockaddr(service(c.family, 0), c.mapped)); err != nil {
					return fmt.Errorf("%s: connect: %w", c.name, err)
				}
				server := r.server()
				conn, _, err := unix.Accept(server)
				if err != nil {
					return fmt.Errorf("%s: accept: %w", c.name, err)
				}
				hits[server]++
				unix.Close(conn)
				return peer(fd, service(c.family, 0))
			})
		}
		if len(hits) != sockReals {
			t.Errorf("%s: 60 connections went to %d of %d reals", c.name, len(hits), sockReals)
		}
	}
}

// echo sends one datagram (to the address, or where the socket is connected to) and answers it. It returns the server
// that got it and where the client was told that the answer came from.
func (r *sockRig) echo(fd int, to unix.Sockaddr) (server int, from netip.AddrPort, err error) {
	buf := make([]byte, 16)
	if to != nil {
		err = unix.Sendto(fd, []byte("ping"), 0, to)
	} else {
		_, err = unix.Write(fd, []byte("ping"))
	}
	if err != nil {
		return 0, from, fmt.Errorf("send: %w", err)
	}
	server = r.server()
	_, client, err := unix.Recvfrom(server, buf, 0)
	if err == nil {
		err = unix.Sendto(server, []byte("pong"), 0, client)
	}
	if err != nil {
		return server, from, fmt.Errorf("serve: %w", err)
	}
	_, sa, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return server, from, fmt.Errorf("receive: %w", err)
	}
	return server, addrPort(sa), nil
}

func TestSockUDP(t *testing.T) {
	r := newSockRig(t)
	for _, c := range sockCases {
		for _, connected := range []bool{false, true} {
			r.do(t, func() error {
				to := sockaddr(service(c.family, 0), c.mapped)
				fd, err := open(service(c.family, 0), unix.SOCK_DGRAM, c.mapped)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				if connected {
					if err := unix.Connect(fd, to); err != nil {
						return err
					}
					if err := peer(fd, service(c.family, 0)); err != nil {
						return fmt.Errorf("%s: %w", c.name, err)
					}
					to = nil
				}
				first := 0
				for i := range 8 {
					server, from, err := r.echo(fd, to)
					if err != nil {
						return fmt.Errorf("%s, connected %v: %w", c.name, connected, err)
					}
					if from != service(c.family, 0) {
						return fmt.Errorf("%s, connected %v: answer from %v", c.name, connected, from)
					}
					if i == 0 {
						first = server
					} else if server != first {
						return fmt.Errorf("%s, connected %v: datagram %d went to another real", c.name, connected, i)
					}
				}
				return nil
			})
		}
	}
}

// An unconnected socket leaves a real that is down, and finds its answers named after the service still.
func TestSockUDPFailsOver(t *testing.T) {
	r := newSockRig(t)
	fd := -1
	defer func() { unix.Close(fd) }()
	send := func() (server int) {
		r.do(t, func() (err error) {
			if fd < 0 {
				if fd, err = open(service(4, 0), unix.SOCK_DGRAM, false); err != nil {
					return err
				}
			}
			s, from, err := r.echo(fd, sockaddr(service(4, 0), false))
			if err == nil && from != service(4, 0) {
				err = fmt.Errorf("answer from %v", from)
			}
			server = s
			return err
		})
		return server
	}
	first := send()
	for i := range sockReals {
		sa, err := unix.Getsockname(first)
		if err != nil {
			t.Fatal(err)
		}
		if addrPort(sa).Addr() == realAddr(4, i) {
			r.setReal(t, 4, i, realDown)
		}
	}
	if second := send(); second == first {
		t.Error("its real is down, and it stayed")
	}
	// However the socket comes to choose, a real that is up is found although most slots name others.
	for round := range 200 {
		for i := range sockReals {
			flags := uint32(realDown)
			if i == round%sockReals {
				flags = 0
			}
			r.setReal(t, 4, i, flags)
		}
		send()
	}
}

// TestSockOthers: sockets that are not for a service with backends are left alone, or refused.
func TestSockOthers(t *testing.T) {
	r := newSockRig(t)
	for _, family := range []int{4, 6} {
		direct := netip.AddrPortFrom(realAddr(family, 1), 8080)
		r.do(t, func() error {
			fd, err := open(direct, unix.SOCK_STREAM, false)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, sockaddr(direct, false)); err != nil {
				return fmt.Errorf("connect to a real directly: %w", err)
			}
			conn, _, err := unix.Accept(r.server())
			if err != nil {
				return err
			}
			unix.Close(conn)
			return peer(fd, direct)
		})
	}
	r.put(t, "vips4", testVIP4{Addr: vip(4, 5).As4(), Port: [2]byte{0, 80}, Proto: protoTCP}, testVIP{})
	r.do(t, func() error {
		fd, err := open(service(4, 5), unix.SOCK_STREAM, false)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, sockaddr(service(4, 5), false)); !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("connect to a service without backends: %v, want EPERM", err)
		}
		return nil
	})
	if n := r.count(t, statDropNoReal); n != 1 {
		t.Errorf("counted %d refusals, want 1", n)
	}
}
