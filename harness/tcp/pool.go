// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A Pool is a number of live TCP connections, each to a VIP, each remembering the real that answered it first. It is not
// safe for concurrent use.
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
	real     int // that answered first; -1: none yet
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

// A PoolReport is what one round over a pool saw.
type PoolReport struct {
	Alive  int // answered this round
	Broken int // stopped answering this round; they are closed and not asked again
	Moved  int // of the alive: answered by another real than at first
	// PerReal counts the alive by the real that answered, by index.
	PerReal []int
	// Why counts the broken by reason.
	Why map[string]int
	// BrokenPerReal counts the broken by the real that had answered them first, by index.
	BrokenPerReal []int
}

// OpenPool opens n connections spread over the load's VIPs and sources, and asks each for its
// real once. Connections that fail are counted as broken in the report, so only the others are in the pool. Of the load,
// Client, Cgroup, VIPs, Sources and Timeout count; the default of Sources is 4096, that of Timeout 5 s, so
// that a lost packet is sent again and does not count as a broken connection. More connections than this process may
// have descriptors for are an error that wraps harness.ErrNotSupported, see MaxPool.
func OpenPool(ctx context.Context, l Load, n int) (*Pool, *PoolReport, error) {
	l.Proto = harness.TCP
	if l.Sources == 0 {
		l.Sources = -1
	}
	if l.Timeout == 0 {
		l.Timeout = 5 * time.Second
	}
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
	var report *PoolReport
	err = l.inClient(0, func() (err error) {
		report, err = p.round(ctx, p.conns, p.dial)
		return err
	})
	if err != nil {
		return nil, report, errors.Join(fmt.Errorf("open pool: %w", err), p.Close())
	}
	return p, report, nil
}

// Probe asks every connection that is still open and says which answered.
func (p *Pool) Probe(ctx context.Context) (*PoolReport, error) {
	var open []*poolConn
	for _, c := range p.conns {
		if c.fd >= 0 {
			open = append(open, c)
		}
	}
	var report *PoolReport
	err := p.load.inClient(0, func() (err error) {
		report, err = p.round(ctx, open, func(c *poolConn, _ int) error { return p.sendRequest(c) })
		return err
	})
	if err != nil {
		return report, fmt.Errorf("probe pool: %w", err)
	}
	return report, nil
}

// reals gives, for each connection that is still open, the real that answered it first, and its service.
func (p *Pool) reals() (reals []int, vips []netip.AddrPort) {
	for _, c := range p.conns {
		if c.fd >= 0 {
			reals, vips = append(reals, c.real), append(vips, c.vip)
		}
	}
	return reals, vips
}

// Close ends all connections at once, with RST.
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
	if c.fd < 0 {
		return
	}
	_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(c.fd)
	c.fd = -1
}

// dial starts connection i.
func (p *Pool) dial(c *poolConn, i int) error {
	family := 4
	if c.vip.Addr().Is6() {
		family = 6
	}
	var err error
	if c.fd, err = clientSocket(netlab.Source(family, i%p.load.Sources), family, harness.TCP, unix.SOCK_NONBLOCK); err != nil {
		return err
	}
	c.state = poolConnecting
	err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(i)})
	if err != nil {
		return fmt.Errorf("watch connection: %w", err)
	}
	if err := unix.Connect(c.fd, sockaddr(c.vip)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}
