// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	servers       = 2       // threads that serve the requests of Mixed
	maxRequests   = 1 << 18 // of all rates together
	requiredShare = 0.99    // share of the requests that must be done within the bound
)

// A request has a time of arrival and a latency, nanoseconds.
type request struct{ at, took int64 }

// A requestQueue is the state that the client and the servers share.
type requestQueue struct {
	queue    [2]int    // a pipe of numbers of requests, from 1; 0 ends a server
	requests []request // all of them, allocated beforehand
	next     int       // number of requests so far
	pending  atomic.Int64
}

// serve serves requests until it reads a zero.
func (s *requestQueue) serve(t *team) func() {
	return func() {
		var x uint64
		for n := wait(s.queue[0]); n > 0; n = wait(s.queue[0]) {
			x = compute(x, portion)
			s.pending.Load() // orders memory: in Go's memory model the pipe does not
			r := &s.requests[n-1]
			r.took = t.now() - r.at
			s.pending.Add(-1)
		}
	}
}

// tryRate sends requests at a rate for a time, waits until all are done and returns their latencies.
func (s *requestQueue) tryRate(t *team, rate float64, d time.Duration, rng *rand.Rand) []int64 {
	first := s.next
	at := t.now()
	end := at + int64(d)
	for s.next < len(s.requests) {
		at += int64(rng.ExpFloat64() / rate * 1e9)
		if at >= end {
			break
		}
		if pause := at - t.now(); pause > 0 {
			sleep(time.Duration(pause))
		}
		s.requests[s.next].at = at
		s.next++
		s.pending.Add(1)
		signal(s.queue[1], uint64(s.next))
	}
	for s.pending.Load() > 0 {
		sleep(time.Millisecond)
	}
	var took []int64
	for _, r := range s.requests[first:s.next] {
		took = append(took, r.took)
	}
	return took
}

// shareWithin returns the share of latencies of at most the bound; 1 if there are none.
func shareWithin(latencies []int64, bound time.Duration) float64 {
	if len(latencies) == 0 {
		return 1
	}
	n := 0
	for _, d := range latencies {
		if d <= int64(bound) {
			n++
		}
	}
	return float64(n) / float64(len(latencies))
}

// mixed searches for the highest rate of requests that can be served within the bound: it doubles the rate until one fails,
// and then bisects, on a logarithmic scale, between the highest that held and the lowest that failed.
func (p *program) mixed() (Report, error) {
	queue, err := newPipe()
	if err != nil {
		return Report{}, err
	}
	s := &requestQueue{queue: queue, requests: make([]request, maxRequests)}
	t, err := newTeam(p, len(p.Threads)+servers+1)
	if err != nil {
		return Report{}, err
	}
	p.spinners(t)
	for i := range servers {
		t.add(unpinned(fmt.Sprintf("server%d", i)), s.serve(t))
	}
	var r Report
	t.add(unpinned("client"), func() {
		rng := rand.New(rand.NewPCG(p.Seed, 2))
		if pause := t.t0 - t.now(); pause > 0 {
			sleep(time.Duration(pause))
		}
		good, bad, rate := 0.0, math.Inf(1), float64(mixedFirst)
		for i := range mixedSteps {
			took := s.tryRate(t, rate, p.Measure/mixedSteps, rng)
			if shareWithin(took, p.Bound) >= requiredShare {
				good = rate
			} else {
				bad = rate
			}
			if i == 0 {
				r.Latency = NewDistribution(took)
			}
			switch {
			case good == 0:
				rate /= 2
			case math.IsInf(bad, 1):
				rate *= 2
			default:
				rate = math.Sqrt(good * bad)
			}
		}
		r.Rate = good
		p.stopped.Store(true)
		for range servers {
			signal(s.queue[1], 0)
		}
	})
	all, err := t.report()
	all.Rate, all.Latency = r.Rate, r.Latency
	all.Ops = all.threadOps()
	return all, err
}
