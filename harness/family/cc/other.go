// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"fmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// The programs that drive a flow.
const (
	loadOwn   = "own"
	loadIperf = "iperf3" // an independent load, to validate the lab's own
)

// iperf measures one flow of iperf3.
func (s *stage) iperf(ctx context.Context, r *bulkRun) (harness.Result, error) {
	if err := s.chain.Shape(r.path); err != nil {
		return harness.Result{}, err
	}
	report, err := tcp.Iperf{
		Server: s.chain.Server, Client: s.chain.Client, To: s.chain.ClientAddr, Algorithm: r.member.control.Algorithm(),
		Duration: r.budget.Measure,
	}.Run(ctx)
	if err != nil {
		return harness.Result{}, err
	}
	res := harness.Result{Iterations: report.Received / max(int64(report.Segment), 1), Measured: r.budget.Measure}
	if report.Received == 0 {
		res.Invalid = "iperf3 received nothing"
		return res, nil
	}
	res.Metrics = []harness.Metric{
		{Unit: "bit/s", Value: report.Rate},
		{Unit: "p50-rtt-sec", Value: report.RTT.Seconds()},
		{Unit: "retrans-share", Value: float64(report.Resent*int64(report.Segment)) / max(float64(report.Sent), 1)},
	}
	return res, nil
}

// loopback measures one flow over loopback in one namespace: no link rate, no delay.
func (s *stage) loopback(ctx context.Context, r *bulkRun) (harness.Result, error) {
	bytes, took, err := tcp.Loopback(ctx, s.chain.Client, r.member.control.Algorithm(), r.budget.Measure)
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
