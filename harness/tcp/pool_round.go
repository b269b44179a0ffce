// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// poolBurst is the number of connections that are started at once: few enough for the 256 slots of a veth's ring.
	poolBurst = 64
	// poolWindow is the number of pending connections from which on no more are started. If none has answered for poolTimeout,
	// the pending ones count as stuck and more are started.
	poolWindow  = 128
	poolTimeout = 20 * time.Millisecond
)

// round calls start for each connection, waits until all have answered, failed or timed out, and reports. It runs on a thread
// of the client.
func (p *Pool) round(ctx context.Context, conns []*poolConn, start func(c *poolConn, i int) error) (r *PoolReport, err error) {
	err = p.load.inClient(0, func() (err error) {
		r, err = p.roundInClient(ctx, conns, start)
		return err
	})
	return r, err
}

func (p *Pool) roundInClient(ctx context.Context, conns []*poolConn, start func(c *poolConn, i int) error) (*PoolReport, error) {
	r := &PoolReport{Why: map[string]int{}}
	p.seq++
	pending, next := 0, 0
	fail := func(c *poolConn, err error) {
		r.countBroken(c, err)
		p.drop(c)
		c.state = poolIdle
	}
	events := make([]unix.EpollEvent, 1024)
	progress := time.Now()
	deadline := progress
	var late grace
	for next < len(conns) || pending > 0 {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		room := pending < poolWindow || time.Since(progress) > poolTimeout
		for burst := 0; room && next < len(conns) && burst < poolBurst; burst++ {
			c := conns[next]
			if err := start(c, next); err != nil {
				fail(c, err)
			} else {
				pending++
			}
			next++
			progress = time.Now()
			deadline = progress.Add(p.load.Timeout)
		}
		wait := 1
		if next == len(conns) {
			wait = int(min(tick, max(0, time.Until(deadline))).Milliseconds())
		}
		n, err := unix.EpollWait(p.epoll, events, wait)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return r, fmt.Errorf("wait for connections: %w", err)
		}
		for i := range max(n, 0) {
			c := p.conns[events[i].Fd]
			if c.fd < 0 {
				continue
			}
			if c.state == poolIdle {
				// Reset or closed before its request of this round. epoll always reports hang-ups, so the connection leaves
				// the set; its request will return the error.
				_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, c.fd, nil)
				continue
			}
			done, err := p.advance(c, int(events[i].Fd))
			if err != nil {
				fail(c, err)
			} else if done {
				r.countAlive(c, int(binary.BigEndian.Uint32(c.head[:])))
			}
			if done || err != nil {
				pending--
				progress = time.Now()
			}
		}
		if next == len(conns) && late.over(deadline, p.load.Timeout) {
			break
		}
	}
	for _, c := range conns {
		if c.fd >= 0 && c.state != poolIdle {
			fail(c, errTimeout)
		}
	}
	return r, nil
}

// sendRequest sends a request on a connection. A connection that was reset fails here.
func (p *Pool) sendRequest(c *poolConn) error {
	putRequest(p.buf, p.seq, poolMessage)
	n, err := unix.Write(c.fd, p.buf)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if n < poolMessage {
		return errors.New("send request: no room")
	}
	c.state, c.received = poolRequested, 0
	return nil
}

// advance continues a connection that is ready; done is true if its response is complete and right.
func (p *Pool) advance(c *poolConn, i int) (done bool, err error) {
	if c.state == poolConnecting {
		if err := socketError(c.fd); err != nil {
			return false, fmt.Errorf("connect: %w", err)
		}
		if err := watch(p.epoll, unix.EPOLL_CTL_MOD, c.fd, unix.EPOLLIN, i); err != nil {
			return false, err
		}
		return false, p.sendRequest(c)
	}
	n, err := unix.Read(c.fd, c.head[c.received:])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read response: %w", err)
	case n == 0:
		return false, errors.New("read response: closed by the real")
	}
	if c.received += n; c.received < poolMessage {
		return false, nil
	}
	putRequest(p.buf, p.seq, poolMessage)
	if _, err := checkResponse(c.head[:], p.seq, checksum(p.buf)); err != nil {
		return false, err
	}
	c.state = poolIdle
	return true, nil
}

func (r *PoolReport) countAlive(c *poolConn, real int) {
	r.Alive++
	r.PerReal = count(r.PerReal, real, 1)
	if c.real < 0 {
		c.real = real
	}
	if c.real != real {
		r.Moved++
	}
}

func (r *PoolReport) countBroken(c *poolConn, err error) {
	r.Broken++
	r.Why[err.Error()]++
	if c.real >= 0 {
		r.BrokenPerReal = count(r.BrokenPerReal, c.real, 1)
	}
}

// count adds n to element i of a slice, which grows if necessary.
func count[T int | int64](s []T, i int, n T) []T {
	for i >= len(s) {
		s = append(s, 0)
	}
	s[i] += n
	return s
}
