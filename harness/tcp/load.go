// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

var errTimeout = errors.New("timed out")

// A Load is a set of clients with real sockets that send requests to services. The zero value of a field means its default.
type Load struct {
	Client *netlab.Host
	// Cgroup is a threaded cgroup that the client threads join (netlab.Segment.Cgroup); empty: none.
	Cgroup string
	// VIPs are used in turn; all of one family.
	VIPs    []netip.AddrPort
	Proto   harness.Proto // default TCP
	Threads int           // default 1; each has one request in flight at a time
	// CPUs pins thread i to CPUs[i % len]; empty: not pinned.
	CPUs []int
	// Alone gives the client threads real-time priority (SCHED_FIFO).
	Alone bool
	// Sources is the number of generated addresses of connections, at most 1<<15, so that ports in TIME_WAIT do not run out;
	// 0: the client's own address, -1: 4096.
	Sources int
	// Request and Response are sizes, bytes, 16 to maxMessage or maxDatagram; default 64.
	Request, Response int
	// Timeout is the time after which an exchange counts as failed, as sys.Deadline has it; default 1 s.
	Timeout time.Duration
	// Reset closes with RST rather than FIN (CRR): no TIME_WAIT, and fewer packets than real clients send.
	Reset bool
	// Unconnected puts the VIP into every send rather than into one connect (UDP).
	Unconnected bool
}

func (l *Load) defaults() error {
	l.Proto, l.Threads, l.Timeout = cmp.Or(l.Proto, harness.TCP), max(l.Threads, 1), cmp.Or(l.Timeout, time.Second)
	l.Request, l.Response = cmp.Or(l.Request, 64), cmp.Or(l.Response, 64)
	if l.Sources < 0 {
		l.Sources = 4096
	}
	limit := maxMessage
	if l.Proto == harness.UDP {
		limit = maxDatagram
	}
	switch {
	case l.Client == nil || len(l.VIPs) == 0:
		return errors.New("load without a client or without services")
	case l.Request < wireHeader || l.Request > limit || l.Response < wireHeader || l.Response > limit:
		return fmt.Errorf("load with messages of %d and %d bytes, want %d to %d", l.Request, l.Response, wireHeader, limit)
	case l.Sources > 1<<15:
		return fmt.Errorf("load from %d addresses, want at most %d", l.Sources, 1<<15)
	}
	for _, v := range l.VIPs {
		if v.Addr().Is4() != l.VIPs[0].Addr().Is4() {
			return errors.New("load with services of both families")
		}
	}
	return nil
}

// inClient runs f on a thread of its own in the client's namespace and cgroup. The thread keeps its cgroup and CPU and ends
// with f.
func (l *Load) inClient(thread int, f func() error) (err error) {
	sys.OnThread(func() {
		if l.Cgroup != "" {
			err = netlab.JoinCgroup(l.Cgroup)
		}
		if err == nil && len(l.CPUs) > 0 {
			err = sys.Pin(0, l.CPUs[thread%len(l.CPUs)])
		}
		if err == nil && l.Alone {
			err = sys.SetAlone()
		}
		if err == nil {
			err = l.Client.Do(f)
		}
	})
	return err
}

// A client is one thread of a load.
type client struct {
	*Load
	thread int
	seq    uint32
	buf    []byte // request, then response
	stop   func() bool
	grace  grace
}

// An exchange is one step of a load: it returns the real that answered and the latency.
type exchange func() (real int, took time.Duration, err error)

// run starts the threads. Each calls begin once and step repeatedly, until d is over (0: once) or ctx is done.
func (l Load) run(ctx context.Context, d time.Duration, begin func(*client) (step exchange, end func())) (*LoadReport, error) {
	if err := l.defaults(); err != nil {
		return nil, err
	}
	var over atomic.Bool
	defer context.AfterFunc(ctx, func() { over.Store(true) })()
	reports := make([]*LoadReport, l.Threads)
	errs := make([]error, l.Threads)
	var all sync.WaitGroup
	start := time.Now()
	for i := range l.Threads {
		reports[i] = &LoadReport{}
		all.Go(func() {
			c := &client{Load: &l, thread: i, stop: over.Load, buf: make([]byte, l.Request+l.Response+maxDatagram+wireHeader)}
			errs[i] = l.inClient(i, func() error {
				step, end := begin(c)
				defer end()
				for deadline := time.Now().Add(d); ; {
					real, took, err := step()
					c.seq++
					if over.Load() && err != nil {
						return nil // interrupted: neither done nor failed
					}
					reports[i].add(real, took, err)
					if over.Load() || !time.Now().Before(deadline) {
						return nil
					}
				}
			})
		})
	}
	all.Wait()
	sum := &LoadReport{Elapsed: time.Since(start)}
	for _, r := range reports {
		sum.merge(r)
	}
	return sum, errors.Join(append(errs, ctx.Err())...)
}

// CRR connects, sends a request, reads the response and closes, repeatedly for d (0: once a thread). Latency is from the start
// of connect to the end of the response, without closing. An error means that the load could not run or was interrupted; the
// report counts failed exchanges.
func (l Load) CRR(ctx context.Context, d time.Duration) (*LoadReport, error) {
	l.Proto = harness.TCP
	return l.run(ctx, d, func(c *client) (exchange, func()) {
		return func() (int, time.Duration, error) {
			mark.Skip()
			start := time.Now()
			fd, err := c.connect()
			if err != nil {
				return 0, 0, err
			}
			real, err := c.exchange(fd)
			took := time.Since(start)
			mark.Lap()
			if c.Reset {
				reset(fd)
			} else {
				_ = unix.Close(fd)
			}
			return real, took, err
		}, func() {}
	})
}

// RR keeps one connection a thread and sends requests over it for d (0: one a thread), each after the response to the
// previous one. Latency is that of one request. A connection that breaks counts as a failure and is replaced.
func (l Load) RR(ctx context.Context, d time.Duration) (*LoadReport, error) {
	return l.run(ctx, d, func(c *client) (exchange, func()) {
		fd := -1
		drop := func() {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
			fd = -1
		}
		return func() (real int, took time.Duration, err error) {
			if fd < 0 {
				if fd, err = c.connect(); err != nil {
					return 0, 0, err
				}
			}
			mark.Skip()
			start := time.Now()
			if c.Proto == harness.UDP {
				u := &udpClient{fd: fd, vip: c.vip(), to: sockaddr(c.vip()), connected: !c.Unconnected, buf: c.buf}
				real, err = u.exchange(c.stop, c.message(), c.Request, c.Response, c.Timeout)
			} else {
				real, err = c.exchange(fd)
			}
			took = time.Since(start)
			mark.Lap()
			if err != nil {
				drop()
			}
			return real, took, err
		}, drop
	})
}
