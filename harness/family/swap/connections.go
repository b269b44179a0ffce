// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

const (
	// besideFlows is the number of connections that are open from before the first replacement until after the last.
	besideFlows = 100
	// besidePause is the sleep between two messages of these.
	besidePause = 200 * time.Microsecond
	// gateConnections and gateExactConnections are the new connections of the gate.
	gateConnections      = 500
	gateExactConnections = 50
	// echoPort is the TCP port of the server.
	echoPort = 9998
	// messageBytes is the length of a message, which the server sends back.
	messageBytes = 512
)

// connections are TCP connections on the loopback link of a member's host, which choose the congestion control by its name: one that opens
// after another, and besideFlows that stay open. Those with an even number choose by the socket option, the others by their route.
type connections struct {
	host   *netlab.Host
	way    *opsWay
	exact  bool
	server net.Listener
	newest atomic.Uint32 // the highest version that served a new connection
}

// optionAddr and routeAddr are the addresses of the server: the route to the second names the congestion control.
func optionAddr() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }
func routeAddr() netip.Addr  { return netip.AddrFrom4([4]byte{127, 0, 0, 2}) }

func (s *stage) openConnections(m *member, w *opsWay) (_ *connections, err error) {
	c := &connections{host: m.host, way: w, exact: s.exact}
	lo, err := m.host.Handle().LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find loopback link: %w", err)
	}
	to := &net.IPNet{IP: routeAddr().AsSlice(), Mask: net.CIDRMask(32, 32)}
	err = m.host.Handle().RouteReplace(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: to,
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST, Congctl: w.name})
	if err != nil {
		return nil, fmt.Errorf("route connections with congestion control %s: %w", w.name, err)
	}
	err = m.host.Do(func() (err error) {
		c.server, err = net.Listen("tcp4", fmt.Sprintf(":%d", echoPort))
		return harness.Wrap(err, "listen for connections")
	})
	if err != nil {
		return nil, err
	}
	go c.serve()
	return c, nil
}

// serve sends each message back, until the server is closed.
func (c *connections) serve() {
	for {
		conn, err := c.server.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			b := make([]byte, messageBytes)
			for {
				n, err := conn.Read(b)
				if err == nil {
					_, err = conn.Write(b[:n])
				}
				if err != nil {
					return // the client has closed
				}
			}
		}()
	}
}

func (c *connections) close() error { return c.server.Close() }

// steady returns an error unless version 1 alone serves each connection.
func (c *connections) steady(ctx context.Context) error {
	want := uint64(gateConnections)
	if c.exact {
		want = gateExactConnections
	}
	ended, _, err := c.during(ctx, func(ctx context.Context, opened *atomic.Uint64) error {
		for opened.Load() < want && ctx.Err() == nil {
			time.Sleep(look)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	t := tallyOf(ended)
	if why := t.fault(1); why != "" {
		return errors.New(why)
	}
	return nil
}

func (c *connections) measure(ctx context.Context, w way, n int) (r harness.Result, err error) {
	var changes []change
	ended, ran, err := c.during(ctx, func(ctx context.Context, opened *atomic.Uint64) (err error) {
		changes, err = replaceEach(ctx, w, n, func(ctx context.Context, g uint32) error {
			return shows(ctx, g, "connections", 1, func() (bool, uint64, error) { return c.newest.Load() == g, opened.Load(), nil })
		})
		return err
	})
	if err != nil {
		return r, err
	}
	t := tallyOf(ended)
	t.changes, t.oneClock = changes, c.exact
	r = t.result()
	r.Measured = ran
	failed := 0
	for _, e := range ended {
		if e.unset {
			failed++
		}
	}
	r.Metrics = append([]harness.Metric{
		{Unit: "conn/s", Value: float64(t.count.Packets) / ran.Seconds()},
		{Unit: "option-failed-share", Value: float64(failed) / float64(len(ended))},
	}, without(r.Metrics, "full-share")...)
	return r, nil
}

// during opens besideFlows connections and then one after another, while f runs on a thread of its own; f gets the number of those that have
// ended. It returns all connections, first those that stayed open, and the time for which others were opened.
func (c *connections) during(ctx context.Context, f func(ctx context.Context, opened *atomic.Uint64) error) (all []connection, ran time.Duration, err error) {
	var beside []*openConnection
	defer func() {
		for _, o := range beside {
			o.close()
		}
	}()
	if err := onThread(c.host, func() error {
		for i := range besideFlows {
			o, err := c.open(uint64(i))
			if err != nil {
				return err
			}
			beside = append(beside, o)
		}
		return nil
	}); err != nil {
		return nil, 0, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var fresh []connection
	var opened atomic.Uint64
	errs := make([]error, 3)
	var threads sync.WaitGroup
	thread := func(err *error, f func() error) {
		threads.Go(func() {
			defer stop()
			*err = endedByStop(ctx, onThread(c.host, f))
		})
	}
	begin := time.Now()
	thread(&errs[0], func() error { return f(running, &opened) })
	thread(&errs[1], func() (err error) {
		fresh, err = c.openEach(running, &opened)
		ran = time.Since(begin)
		return err
	})
	thread(&errs[2], func() error { return talkEach(running, beside) })
	threads.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	for _, o := range beside {
		if err := o.end(c.way); err != nil {
			return nil, 0, err
		}
		all = append(all, o.connection)
	}
	return append(all, fresh...), ran, nil
}

// openEach opens connections one after another until ctx is done, and returns them in their order.
func (c *connections) openEach(ctx context.Context, opened *atomic.Uint64) (all []connection, err error) {
	for n := uint64(0); ctx.Err() == nil; n++ {
		o, err := c.open(n)
		if err != nil {
			return nil, err
		}
		err = o.end(c.way)
		o.close()
		if err != nil {
			return nil, err
		}
		all = append(all, o.connection)
		c.newest.Store(max(c.newest.Load(), o.Generation))
		opened.Add(1)
	}
	return all, nil
}

// talkEach sends messages over connections in turn until ctx is done.
func talkEach(ctx context.Context, all []*openConnection) error {
	for n := byte(0); ; n++ {
		for _, o := range all {
			if ctx.Err() != nil {
				return nil
			}
			o.came = o.came && o.exchange(n)
			time.Sleep(besidePause)
		}
	}
}
