// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	loads "github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	// probeClients is the number of clients, each a process with one connection; exactProbes is that on target exact.
	probeClients = 4
	exactProbes  = 2
	// probeAddr is the server's address on the loopback link of the member's host.
	probeAddr = "127.0.0.1:8080"
	// gateTime is how long the gate sends requests.
	gateTime = 200 * time.Millisecond
	// changePause is the time between two replacements of a scheduler, for requests that meet none.
	changePause = 5 * time.Millisecond
)

// probes are HTTP requests that processes send to a server, all of which the version in force schedules: this machine's threads.
type probes struct {
	host   *netlab.Host
	way    *schedWay
	exact  bool
	server *http.Server
}

func (s *stage) openProbes(m *member, w *schedWay) (_ *probes, err error) {
	p := &probes{host: m.host, way: w, exact: s.exact}
	p.server = &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	var at net.Listener
	err = m.host.Do(func() (err error) {
		at, err = net.Listen("tcp4", probeAddr)
		return harness.Wrap(err, "listen for requests")
	})
	if err != nil {
		return nil, err
	}
	go func() { _ = p.server.Serve(at) }() // until close
	return p, nil
}

// close also takes the scheduler out of force.
func (p *probes) close() error {
	_, err := p.way.release()
	return errors.Join(err, p.server.Close())
}

// steady returns an error unless version 1 is in force during each request, and each is answered.
func (p *probes) steady(ctx context.Context) error {
	all, err := p.during(ctx, func(context.Context) error {
		time.Sleep(gateTime)
		return nil
	})
	if err != nil {
		return err
	}
	reigns, err := p.way.release()
	if err != nil {
		return err
	}
	t := all.tally(reigns, nil)
	if why := t.fault(1); why != "" {
		return errors.New(why)
	}
	return nil
}

func (p *probes) measure(ctx context.Context, w way, n int) (r harness.Result, err error) {
	var changes []change
	begin := time.Now()
	all, err := p.during(ctx, func(ctx context.Context) (err error) {
		changes, err = replaceEach(ctx, w, n, p.await)
		return err
	})
	if err != nil {
		return r, err
	}
	ran := time.Since(begin)
	reigns, err := p.way.release()
	if err != nil {
		return r, err
	}
	t := all.tally(reigns, changes)
	t.oneClock = p.exact
	r = t.result()
	r.Measured = ran
	r.Metrics = append([]harness.Metric{{Unit: "req/s", Value: float64(t.count.Packets) / ran.Seconds()}}, without(r.Metrics, "full-share", "both-share", "late-share")...)
	return r, nil
}

// await waits until version g has decided, at most for patience, and then for changePause.
func (p *probes) await(ctx context.Context, g uint32) error {
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(look) {
		if done, err := p.way.decided(g); done || err != nil || ctx.Err() != nil {
			time.Sleep(changePause)
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}

// during has the clients send requests while f runs on a thread of its own, and returns the requests. A version that is not in force in the
// end is an error.
func (p *probes) during(ctx context.Context, f func(ctx context.Context) error) (all requestLog, err error) {
	clients := probeClients
	if p.exact {
		clients = exactProbes
	}
	var running []*loads.Load
	defer func() {
		for _, l := range running {
			_ = l.Close() // after Wait it does nothing
		}
	}()
	err = p.host.Do(func() error {
		for range clients {
			l, err := loads.Start(ctx, loads.Spec{Kind: loads.Probe, Addr: probeAddr, Path: "/"})
			if err != nil {
				return err
			}
			running = append(running, l)
		}
		return nil
	})
	for _, l := range running {
		err = cmp.Or(err, l.Go())
	}
	if err != nil {
		return all, err
	}
	time.Sleep(changePause)
	sys.OnThread(func() { err = f(ctx) })
	time.Sleep(changePause)
	err = errors.Join(err, p.way.InForce())
	for _, l := range running {
		err = errors.Join(err, l.Stop())
	}
	for _, l := range running {
		r, waitErr := l.Wait()
		all.add(r)
		err = errors.Join(err, waitErr)
	}
	return all, err
}

// A requestLog is what became of requests.
type requestLog struct {
	answered []request
	failed   uint64
}

// A request is one that was answered, from when to when, ns of CLOCK_MONOTONIC.
type request struct{ began, ended uint64 }

// add adds the requests of one client.
func (l *requestLog) add(r loads.Report) {
	l.failed += uint64(r.Failed)
	for i, at := range r.At {
		began := uint64(r.Began) + uint64(math.Round(at*1e9))
		l.answered = append(l.answered, request{began, began + uint64(math.Round(r.Took[i]*1e9))})
	}
}

// tally is the account of requests, of which a version served those during which it was in force. A reign ends with the version's last
// decision, or when the call began that replaced it if that was later; that of the last version does not end.
func (l *requestLog) tally(reigns []reign, changes []change) tally {
	t := tally{noun: "requests", sent: uint64(len(l.answered)) + l.failed, seen: make([]abi.SwapSeen, abi.SwapGenerations), changes: changes}
	t.count = abi.SwapCount{Next: t.sent, Packets: uint64(len(l.answered)), Missing: l.failed}
	reigns = slices.Clone(reigns)
	for i := range reigns {
		r := &reigns[i]
		if i == len(reigns)-1 {
			r.last = math.MaxUint64
		} else if c, ok := harness.Find(changes, func(c change) bool { return c.generation == reigns[i+1].generation }); ok {
			r.last = max(r.last, c.began)
		}
		g := &t.seen[r.generation]
		g.First = r.first
		if i > 0 {
			g.Last = reigns[i-1].last
		}
	}
	for _, q := range l.answered {
		// The last reign that had begun.
		i, _ := slices.BinarySearchFunc(reigns, q.began, func(r reign, at uint64) int {
			if r.first > at {
				return 1
			}
			return -1
		})
		if i > 0 && q.ended <= reigns[i-1].last {
			t.seen[reigns[i-1].generation].Packets++
			continue
		}
		t.count.Neither++
		if i < len(reigns) {
			g := &t.seen[reigns[i].generation]
			g.Worst = max(g.Worst, q.ended-q.began)
		}
	}
	return t
}
