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
)

// bulkRun is a running Bulk. It uses one thread.
type bulkRun struct {
	Bulk
	data    *bulkData
	epoll   int
	listen  map[listenKey]int // descriptors by address and algorithm
	flows   []*bulkFlow
	bySrc   map[netip.AddrPort]*bulkFlow
	byFD    map[int]*bulkFlow
	begin   time.Time
	pending []int // flows to start, in order of time
	events  []BulkEvent
	buckets int // complete ones
	elapsed time.Duration
}

type listenKey struct {
	addr      netip.Addr
	algorithm string
}

// bulkFlow is a running flow.
type bulkFlow struct {
	FlowReport
	send, recv int // descriptors; -1: none
	to         netip.AddrPort
	sent, read int64 // bytes handed to the kernel and taken from it
	counted    int64 // bytes in order at the receiver at the end of the last bucket
	dialled    time.Duration
	done       bool
}

// open makes the listeners and the records of all flows.
func (r *bulkRun) open() (err error) {
	r.epoll, r.listen = -1, map[listenKey]int{}
	r.bySrc, r.byFD = map[netip.AddrPort]*bulkFlow{}, map[int]*bulkFlow{}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("make epoll: %w", err)
	}
	if r.data, err = newBulkData(r.Seed, r.Verify); err != nil {
		return err
	}
	ports := map[listenKey]netip.AddrPort{}
	n := int(r.Duration/r.Sample) + 2
	for i, spec := range r.Flows {
		k := listenKey{spec.To, spec.Algorithm}
		if _, ok := ports[k]; !ok {
			fd, at, err := listenWith(r.Client, spec.To, spec.Algorithm)
			if err != nil {
				return err
			}
			r.listen[k], ports[k] = fd, at
			if err := watch(r.epoll, unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN, fd); err != nil {
				return err
			}
		}
		f := &bulkFlow{FlowReport: FlowReport{BulkFlow: spec}, send: -1, recv: -1, to: ports[k]}
		if spec.Size == 0 {
			f.Samples = make([]FlowSample, 0, n)
		}
		f.Buckets = make([]int64, 0, int(r.Duration/r.Bucket)+1)
		r.flows = append(r.flows, f)
		r.pending = append(r.pending, i)
	}
	slices.SortStableFunc(r.pending, func(a, b int) int { return cmp.Compare(r.Flows[a].Start, r.Flows[b].Start) })
	r.events = slices.Clone(r.Events)
	slices.SortStableFunc(r.events, func(a, b BulkEvent) int { return cmp.Compare(a.At, b.At) })
	return nil
}

// loop drives the flows until the end of the run.
func (r *bulkRun) loop(ctx context.Context) error {
	r.begin = time.Now()
	ready := make([]unix.EpollEvent, 64)
	next := r.Sample
	for {
		now := time.Since(r.begin)
		if now >= next {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.serveFlows(now); err != nil {
				return err
			}
			if now >= r.Duration {
				r.elapsed = now
				return nil
			}
			for next <= now {
				next += r.Sample
			}
		}
		until, err := r.due(now, next)
		if err != nil {
			return err
		}
		n, err := epollWait(r.epoll, ready, until-time.Since(r.begin))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for sockets: %w", err)
		}
		for _, e := range ready[:max(n, 0)] {
			if err := r.event(int(e.Fd), time.Since(r.begin)); err != nil {
				return err
			}
		}
	}
}

// due runs the events and starts the flows of the time until now, and returns the time of the next ones, at most next.
func (r *bulkRun) due(now, next time.Duration) (time.Duration, error) {
	for len(r.events) > 0 && r.events[0].At <= now {
		if err := r.events[0].Do(); err != nil {
			return 0, err
		}
		r.events = r.events[1:]
	}
	for len(r.pending) > 0 && r.Flows[r.pending[0]].Start <= now {
		if err := r.start(r.flows[r.pending[0]], now); err != nil {
			return 0, err
		}
		r.pending = r.pending[1:]
	}
	if len(r.events) > 0 {
		next = min(next, r.events[0].At)
	}
	if len(r.pending) > 0 {
		next = min(next, r.Flows[r.pending[0]].Start)
	}
	return next, nil
}

// start begins to connect. The connection is established when the socket is writable.
func (r *bulkRun) start(f *bulkFlow, now time.Duration) error {
	fd, from, err := dialWith(r.Server, f.From, f.to, f.Algorithm)
	if err != nil {
		return err
	}
	f.send, f.dialled = fd, now
	r.bySrc[from], r.byFD[fd] = f, f
	return watch(r.epoll, unix.EPOLL_CTL_ADD, fd, unix.EPOLLOUT|unix.EPOLLONESHOT, fd)
}

// event handles a listener with a connection, a sender that is connected, or a receiver with all data of its flow.
func (r *bulkRun) event(fd int, now time.Duration) error {
	f := r.byFD[fd]
	switch {
	case f == nil:
		return r.accept(fd)
	case fd == f.send:
		if err := socketError(fd); err != nil {
			f.Wrong, f.done = fmt.Sprintf("never started: %v", err), true
			return nil
		}
		f.Connected = now
		return r.fill(f, bulkFirst)
	default:
		r.drain(f, now)
		return nil
	}
}

// accept accepts connections and finds the flow of each. A flow of a fixed size causes one event, when all data have arrived.
func (r *bulkRun) accept(listener int) error {
	for {
		fd, sa, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return nil // no more connections
		}
		f := r.bySrc[addrPort(sa)]
		if f == nil {
			unix.Close(fd)
			continue
		}
		f.recv = fd
		r.byFD[fd] = f
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, cmp.Or(int(f.Size), bulkLowest)); err != nil {
			return fmt.Errorf("set SO_RCVLOWAT: %w", err)
		}
		if f.Size > 0 {
			if err := watch(r.epoll, unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLRDHUP, fd); err != nil {
				return err
			}
		}
	}
}

// serveFlows samples every flow, sends more data on it and receives the data that arrived.
func (r *bulkRun) serveFlows(now time.Duration) error {
	bucket := int(now / r.Bucket)
	for _, f := range r.flows {
		if f.send < 0 || f.done {
			continue
		}
		if f.Connected > 0 {
			want, err := f.sample(now)
			if err != nil {
				f.Wrong, f.done = "broken: "+err.Error(), true
				continue
			}
			if err := r.fill(f, want); err != nil {
				return err
			}
		}
		if f.recv >= 0 && f.Size == 0 {
			r.drain(f, now)
		}
	}
	for ; r.buckets < bucket; r.buckets++ {
		for _, f := range r.flows {
			f.bucket()
		}
	}
	return nil
}

// report reads the final state of every flow.
func (r *bulkRun) report() *BulkReport {
	out := &BulkReport{Elapsed: r.elapsed, Bucket: r.Bucket}
	for _, f := range r.flows {
		if f.send >= 0 {
			f.Ran, _ = unix.GetsockoptString(f.send, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			f.finish()
		}
		f.judge(r.Bulk, r.elapsed)
		out.Flows = append(out.Flows, f.FlowReport)
	}
	return out
}

// close closes all descriptors and resets connections, so that nothing of one run is left in the next.
func (r *bulkRun) close() {
	for _, f := range r.flows {
		for _, fd := range []int{f.send, f.recv} {
			if fd >= 0 {
				reset(fd)
			}
		}
	}
	for _, fd := range r.listen {
		unix.Close(fd)
	}
	if r.epoll >= 0 {
		unix.Close(r.epoll)
	}
	if r.data != nil {
		unix.Close(r.data.fd)
	}
}
