// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// Who drives a flow.
const (
	loadOwn   = "own"
	loadIperf = "iperf3" // a second, independent load, to hold the first against
)

// iperf measures one flow that iperf3 drives.
func (s *stage) iperf(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	if err := s.chain.Shape(r.path); err != nil {
		return harness.Result{}, err
	}
	report, err := tcp.Iperf{
		Server: s.chain.Server, Client: s.chain.Client, To: s.chain.ClientAddr, Algorithm: m.control.Algorithm(), Duration: b.Measure,
	}.Run(ctx)
	if err != nil {
		return harness.Result{}, err
	}
	res := harness.Result{Iterations: report.Received / max(int64(report.Segment), 1), Measured: b.Measure}
	if report.Received == 0 {
		res.Invalid = "iperf3 received nothing"
		return res, nil
	}
	sent := max(float64(report.Sent), 1)
	res.Metrics = []harness.Metric{
		{Unit: "bit/s", Value: report.Rate},
		{Unit: "p50-rtt-sec", Value: report.RTT.Seconds()},
		{Unit: "retrans-share", Value: float64(report.Resent*int64(report.Segment)) / sent},
	}
	return res, nil
}

// loopback measures one flow inside one namespace, as fast as the machine can: no path, no delay.
func (s *stage) loopback(ctx context.Context, m *member, _ harness.Cell, b harness.Budget) (harness.Result, error) {
	bytes, took, err := tcp.Loopback(ctx, s.chain.Client, m.control.Algorithm(), b.Measure)
	if err != nil {
		return harness.Result{}, err
	}
	if bytes == 0 {
		return harness.Result{Invalid: fmt.Sprintf("nothing arrived within %v", took)}, nil
	}
	return harness.Result{
		Iterations: bytes, Measured: took,
		Metrics: []harness.Metric{{Unit: "bit/s", Value: 8 * float64(bytes) / took.Seconds()}},
	}, nil
}
