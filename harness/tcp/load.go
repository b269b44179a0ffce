// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

var errTimeout = errors.New("timed out")

// A Load is what clients with real sockets ask of services. Fields left zero take their defaults.
type Load struct {
	Client *netlab.Host
	// Cgroup is a threaded cgroup that the client threads join (netlab.Segment.Cgroup); empty: none.
	Cgroup string
	// VIPs are asked in turn; all of one family.
	VIPs    []netip.AddrPort
	Proto   harness.Proto // default TCP
	Threads int           // default 1; each has one request under way at a time
	// CPUs pins thread i to CPUs[i % len]; empty: not pinned.
	CPUs []int
	// Alone lets the client threads run before all others of their CPUs but those that are alone as well (SCHED_FIFO).
	Alone bool
	// Sources is over how many generated addresses connections are spread, at most 1<<15, so that ports in TIME_WAIT do
	// not run out; 0: the client's own address, -1: 4096.
	Sources int
	// Request and Response are sizes, bytes, 16 to maxMessage or maxDatagram; default 64.
	Request, Response int
	// Timeout is when an exchange counts as failed; default 1 s.
	Timeout time.Duration
	// Reset closes with RST rather than FIN (CRR): no TIME_WAIT, and fewer packets than real clients send.
	Reset bool
	// Unconnected names the VIP in every datagram rather than once (UDP).
	Unconnected bool
}

func (l *Load) defaults() error {
	if l.Proto == 0 {
		l.Proto = harness.TCP
	}
	l.Threads = max(l.Threads, 1)
	if l.Sources < 0 {
		l.Sources = 4096
	}
	if l.Request == 0 {
		l.Request = 64
	}
	if l.Response == 0 {
		l.Response = 64
	}
	if l.Timeout == 0 {
		l.Timeout = time.Second
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
		return fmt.Errorf("load from %d addresses, there are %d", l.Sources, 1<<15)
	}
	for _, v := range l.VIPs {
		if v.Addr().Is4() != l.VIPs[0].Addr().Is4() {
			return errors.New("load with services of both families")
		}
	}
	return nil
}

// inClient runs f on a thread of its own in the client's namespace and cgroup; the thread ends with it.
func (l *Load) inClient(thread int, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread keeps its cgroup and CPU
		if l.Cgroup != "" {
			if err := netlab.JoinCgroup(l.Cgroup); err != nil {
				done <- err
				return
			}
		}
		if len(l.CPUs) > 0 {
			var set unix.CPUSet
			set.Set(l.CPUs[thread%len(l.CPUs)])
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				done <- fmt.Errorf("pin client to CPU %d: %w", l.CPUs[thread%len(l.CPUs)], err)
				return
			}
		}
		if l.Alone {
			if err := sys.SetAlone(); err != nil {
				done <- err
				return
			}
		}
		done <- l.Client.Do(f)
	}()
	return <-done
}

// A client is one thread of a load.
type client struct {
	*Load
	thread int
	seq    uint32
	buf    []byte // request, then response
	stop   func() bool
	report *LoadReport
}

// run starts the threads, each doing step again and again until d is over (0: once) or ctx is done.
func (l Load) run(ctx context.Context, d time.Duration, begin func(*client) (step func() (int, time.Duration, error), end func(), err error)) (*LoadReport, error) {
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
		all.Add(1)
		go func() {
			defer all.Done()
			c := &client{Load: &l, thread: i, report: reports[i], buf: make([]byte, l.Request+l.Response+maxDatagram+wireHeader)}
			c.stop = over.Load
			errs[i] = l.inClient(i, func() error {
				step, end, err := begin(c)
				if err != nil {
					return err
				}
				defer end()
				for deadline := time.Now().Add(d); ; {
					real, took, err := step()
					c.seq++
					if over.Load() && err != nil {
						return nil // cut short: neither done nor failed
					}
					c.report.add(real, took, err)
					if over.Load() || !time.Now().Before(deadline) {
						return nil
					}
				}
			})
		}()
	}
	all.Wait()
	sum := &LoadReport{Elapsed: time.Since(start)}
	for _, r := range reports {
		sum.merge(r)
	}
	return sum, errors.Join(append(errs, ctx.Err())...)
}

// CRR connects, sends a request, reads the response and closes, again and again for d (0: once a thread). Latency is from
// the start of connect to the whole response, closing not counted. An error means that the load could not run or was
// interrupted; exchanges that failed are counted in the report.
func (l Load) CRR(ctx context.Context, d time.Duration) (*LoadReport, error) {
	l.Proto = harness.TCP
	return l.run(ctx, d, func(c *client) (func() (int, time.Duration, error), func(), error) {
		return func() (int, time.Duration, error) {
			start := time.Now()
			fd, err := c.connect()
			if err != nil {
				return 0, 0, err
			}
			real, err := c.exchange(fd)
			took := time.Since(start)
			if c.Reset {
				_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			}
			_ = unix.Close(fd)
			return real, took, err
		}, func() {}, nil
	})
}

// RR keeps one connection a thread and sends requests over it for d (0: one a thread), the next when the response to the
// last has come. Latency is that of one request. A connection that breaks is counted and made anew.
func (l Load) RR(ctx context.Context, d time.Duration) (*LoadReport, error) {
	return l.run(ctx, d, func(c *client) (func() (int, time.Duration, error), func(), error) {
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
			start := time.Now()
			if c.Proto == harness.UDP {
				u := &udpClient{fd: fd, vip: c.vip(), to: sockaddr(c.vip()), connected: !c.Unconnected, buf: c.buf}
				real, err = u.exchange(c.stop, c.message(), c.Request, c.Response, c.Timeout)
			} else {
				real, err = c.exchange(fd)
			}
			took = time.Since(start)
			if err != nil {
				drop()
			}
			return real, took, err
		}, drop, nil
	})
}
