// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A Pool is a set of open TCP connections, each to a VIP and with the real that answered it first. It is not safe for
// concurrent use.
type Pool struct {
	load  Load
	epoll int
	conns []*poolConn
	seq   uint32 // of the last round of requests
	buf   []byte
}

// A poolConn is one connection of a pool.
type poolConn struct {
	fd       int // -1: broken and closed
	real     int // the first that answered; -1: none yet
	vip      netip.AddrPort
	state    poolState
	received int // bytes of the response so far
	head     [poolMessage]byte
}

type poolState uint8

const (
	poolIdle poolState = iota
	poolConnecting
	poolRequested
)

// poolMessage is the size of the requests and responses of pools, bytes.
const poolMessage = 64

// A PoolReport holds the results of one round of requests over a pool.
type PoolReport struct {
	Alive  int // connections that answered in this round
	Broken int // connections that broke in this round; they are closed
	Moved  int // alive connections whose answer is from another real than the first
	// PerReal counts the alive connections by the real that answered, by index.
	PerReal []int
	// The broken connections, counted by reason.
	Why map[string]int
	// BrokenPerReal counts the broken connections by the first real that answered, by index.
	BrokenPerReal []int
}

// OpenPool opens n connections spread over the load's VIPs and sources, and sends one request on each to learn its real.
// Connections that fail count as broken in the report and are not in the pool. OpenPool uses Client, Cgroup, VIPs, Sources and
// Timeout of the load; the default of Sources is 4096, that of Timeout 5 s, so that a lost packet is retransmitted and does not
// count as a broken connection. If n needs more descriptors than this process may have, the error wraps
// harness.ErrNotSupported, see MaxPool.
func OpenPool(ctx context.Context, l Load, n int) (*Pool, *PoolReport, error) {
	l.Proto, l.Sources, l.Timeout = harness.TCP, cmp.Or(l.Sources, -1), cmp.Or(l.Timeout, 5*time.Second)
	if err := l.defaults(); err != nil {
		return nil, nil, err
	}
	if err := raiseFileLimit(n); err != nil {
		return nil, nil, fmt.Errorf("open pool: %w", err)
	}
	p := &Pool{load: l, buf: make([]byte, poolMessage)}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("open pool: %w", err)
	}
	for i := range n {
		p.conns = append(p.conns, &poolConn{fd: -1, real: -1, vip: l.VIPs[i%len(l.VIPs)]})
	}
	report, err := p.round(ctx, p.conns, p.dial)
	if err != nil {
		return nil, report, errors.Join(fmt.Errorf("open pool: %w", err), p.Close())
	}
	return p, report, nil
}

// Probe sends a request on every open connection and reports those that answered.
func (p *Pool) Probe(ctx context.Context) (*PoolReport, error) {
	report, err := p.round(ctx, p.open(), func(c *poolConn, _ int) error { return p.sendRequest(c) })
	return report, harness.Wrap(err, "probe pool")
}

// open returns the connections that are not broken.
func (p *Pool) open() []*poolConn {
	return slices.DeleteFunc(slices.Clone(p.conns), func(c *poolConn) bool { return c.fd < 0 })
}

// Close closes all connections with RST.
func (p *Pool) Close() error {
	for _, c := range p.conns {
		p.drop(c)
	}
	p.conns = nil
	if p.epoll < 0 {
		return nil
	}
	err := unix.Close(p.epoll)
	p.epoll = -1
	return err
}

func (p *Pool) drop(c *poolConn) {
	if c.fd >= 0 {
		reset(c.fd)
		c.fd = -1
	}
}

// dial begins to connect connection i.
func (p *Pool) dial(c *poolConn, i int) (err error) {
	family := netlab.Family(c.vip.Addr())
	if c.fd, err = clientSocket(netlab.Source(family, i%p.load.Sources), family, harness.TCP, unix.SOCK_NONBLOCK); err != nil {
		return err
	}
	c.state = poolConnecting
	if err := watch(p.epoll, unix.EPOLL_CTL_ADD, c.fd, unix.EPOLLOUT, i); err != nil {
		return err
	}
	if err := unix.Connect(c.fd, sockaddr(c.vip)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}
