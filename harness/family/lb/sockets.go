// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/tcp"
)

// clientThreads is the number of concurrent requests. Target exact has one, so that no context switches between
// clients are measured.
const clientThreads = 4

// load returns the clients' load on a member's target service.
func (s *stage) load(m *member) tcp.Load {
	return tcp.Load{
		Client: s.segment.Client, Cgroup: m.site.Cgroup, VIPs: []netip.AddrPort{m.target().VIP}, Proto: harness.TCP,
		Threads: clientThreads, Sources: -1, Alone: s.exact,
	}
}

// crr measures the rate and the latency of connect, request, response, close.
func (s *stage) crr(ctx context.Context, m *member, _ harness.Cell, b harness.Budget) (harness.Result, error) {
	l := s.load(m)
	l.Reset = true
	l.Threads = threads(b)
	return exchange(ctx, b, l.CRR, "conn/s", "insn/conn")
}

// rr measures the rate and the latency of requests over persistent connections.
func (s *stage) rr(ctx context.Context, m *member, _ harness.Cell, b harness.Budget) (harness.Result, error) {
	l := s.load(m)
	l.Threads = threads(b)
	return exchange(ctx, b, l.RR, "req/s", "insn/req")
}

func threads(b harness.Budget) int {
	if b.Exact {
		return 1
	}
	return clientThreads
}

// exchange warms up and measures one kind of exchange. A failed exchange makes the trial invalid. Instructions are counted in the
// unit insn; each exchange is a lap.
func exchange(ctx context.Context, b harness.Budget,
	run func(context.Context, time.Duration) (*tcp.LoadReport, error), rate, insn string) (harness.Result, error) {
	if b.Warm > 0 {
		if _, err := run(ctx, b.Warm); err != nil {
			return harness.Result{}, fmt.Errorf("warm up: %w", err)
		}
	}
	end := b.Window()
	mark.Begin()
	report, err := run(ctx, b.Measure)
	exact.End(b.Counted, harness.CountedWindow{Unit: insn, Amount: 1, Laps: true})
	end()
	if err != nil {
		return harness.Result{}, err
	}
	r := harness.Result{
		Iterations: report.Done,
		Measured:   report.Elapsed,
		Series:     []harness.Series{report.Series("latency")},
	}
	switch {
	case report.Failed > 0:
		r.Invalid = fmt.Sprintf("%d of %d exchanges failed, the first: %v", report.Failed, report.Failed+report.Done, report.First)
	case report.Done == 0:
		r.Invalid = "no exchange completed"
	default:
		r.Metrics = []harness.Metric{
			{Unit: rate, Value: report.Rate()},
			{Unit: "p50-sec", Value: report.Quantile(0.50).Seconds()},
			{Unit: "p99-sec", Value: report.Quantile(0.99).Seconds()},
		}
	}
	return r, nil
}
