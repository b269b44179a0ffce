// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// tick is the limit of every blocking call, after which a client checks whether it should stop.
const tick = 100 * time.Millisecond

// turn numbers the exchanges of all threads, so that no two threads use the same source and service at the same time.
func (c *client) turn() int { return c.thread + int(c.seq)*c.Threads }

// message is the sequence number of the next exchange.
func (c *client) message() uint32 { return uint32(c.turn()) }

// vip is the service of the next connection, or of the one connection of a keep-alive thread.
func (c *client) vip() netip.AddrPort {
	if c.Proto == harness.UDP { // one socket for all exchanges
		return c.VIPs[c.thread%len(c.VIPs)]
	}
	return c.VIPs[c.turn()%len(c.VIPs)]
}

// source is the address of the next connection; invalid: the client's own.
func (c *client) source(family int) netip.Addr {
	if c.Sources == 0 {
		return netip.Addr{}
	}
	return netlab.Source(family, c.turn()%c.Sources)
}

// connect makes a connected socket in the namespace of the calling thread.
func (c *client) connect() (fd int, err error) {
	vip := c.vip()
	family := netlab.Family(vip.Addr())
	fd, err = clientSocket(c.source(family), family, c.Proto, 0)
	if err != nil {
		return -1, err
	}
	defer func(made int) {
		if err != nil {
			_ = unix.Close(made) // fd is -1 by then
		}
	}(fd)
	tv := unix.NsecToTimeval(int64(tick))
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv)
	}
	if err != nil {
		return -1, fmt.Errorf("set timeouts: %w", err)
	}
	if c.Proto == harness.UDP && c.Unconnected {
		return fd, nil
	}
	to := sockaddr(vip)
	for deadline := time.Now().Add(c.Timeout); ; {
		err = unix.Connect(fd, to)
		switch {
		case err == nil || errors.Is(err, unix.EISCONN):
			return fd, nil
		case errors.Is(err, unix.EINPROGRESS) || errors.Is(err, unix.EALREADY) || errors.Is(err, unix.EINTR):
			if !c.stop() && !c.grace.over(deadline, c.Timeout) {
				continue
			}
			err = errTimeout
		}
		return -1, fmt.Errorf("connect to %s: %w", vip, err)
	}
}

// clientSocket makes a socket, bound to a source address if that is valid. The kernel chooses the port at connect, so that
// the port need not be free for all destinations.
func clientSocket(source netip.Addr, family int, proto harness.Proto, flags int) (fd int, err error) {
	domain, kind := unix.AF_INET, unix.SOCK_STREAM
	if family == 6 {
		domain = unix.AF_INET6
	}
	if proto == harness.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err = unix.Socket(domain, kind|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	if proto == harness.TCP {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil && source.IsValid() {
		if err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err == nil {
			err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0)))
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("prepare socket from %s: %w", source, err)
	}
	return fd, nil
}

// exchange sends one request over a stream and reads its response.
func (c *client) exchange(fd int) (real int, err error) {
	req, resp := c.buf[:c.Request], c.buf[c.Request:c.Request+c.Response]
	seq := c.message()
	putRequest(req, seq, c.Response)
	sum := checksum(req)
	deadline := time.Now().Add(c.Timeout)
	for len(req) > 0 {
		n, err := unix.Write(fd, req)
		if err != nil && !c.again(err, deadline) {
			return 0, fmt.Errorf("send request: %w", timedOut(err))
		}
		req = req[max(n, 0):]
	}
	for left := resp; len(left) > 0; {
		n, err := unix.Read(fd, left)
		if err != nil && !c.again(err, deadline) {
			return 0, fmt.Errorf("read response: %w", timedOut(err))
		}
		if err == nil && n == 0 {
			return 0, errors.New("read response: closed by the real")
		}
		left = left[max(n, 0):]
	}
	return checkResponse(resp, seq, sum)
}

// again is true if an interrupted call should be repeated.
func (c *client) again(err error, deadline time.Time) bool {
	return timedOut(err) == errTimeout && !c.stop() && !c.grace.over(deadline, c.Timeout)
}

func timedOut(err error) error {
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return errTimeout
	}
	return err
}
