// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/harness/stats"
)

// loadThreads returns n threads of weight 1024, not pinned to a CPU.
func loadThreads(name string, n int) []load.Thread {
	out := make([]load.Thread, n)
	for i := range out {
		out[i] = load.Thread{Name: fmt.Sprintf("%s%d", name, i), CPU: -1}
	}
	return out
}

// run runs a load for the budget and reads the machine's counters before and after.
func (s *stage) run(ctx context.Context, spec load.Spec, b harness.Budget) (load.Report, harness.Result, error) {
	spec.Warm, spec.Measure, spec.Seed = b.Warm, b.Measure, b.Seed
	l, err := load.Start(ctx, spec)
	if err != nil {
		return load.Report{}, harness.Result{}, err
	}
	defer l.Close()
	before, err := s.readCounts()
	if err != nil {
		return load.Report{}, harness.Result{}, err
	}
	err = l.Go()
	if b.Sampler != nil { // stacks are sampled after the warm-up, which the load makes itself
		time.Sleep(b.Warm)
	}
	end := b.Window()
	var r load.Report
	if err == nil {
		r, err = l.Wait()
	}
	end()
	if err != nil {
		return r, harness.Result{}, err
	}
	after, err := s.readCounts()
	if err != nil {
		return r, harness.Result{}, err
	}
	out := harness.Result{Iterations: max(1, int64(r.Ops)), Measured: r.Elapsed, Metrics: s.rates(before, after)}
	if spec.Kind != load.Probe && r.Elapsed > 0 {
		out.Metrics = append(out.Metrics, harness.Metric{Unit: "forced-switch/s", Value: float64(r.Forced) / r.Elapsed.Seconds()})
	}
	return r, out, nil
}

// add adds metrics to a result.
func add(r *harness.Result, metrics ...harness.Metric) { r.Metrics = append(r.Metrics, metrics...) }

// quantiles returns metrics of a distribution, such as "wake-p50-sec" for the prefix "wake-".
func quantiles(prefix string, d load.Distribution, ps ...float64) []harness.Metric {
	var out []harness.Metric
	for _, p := range ps {
		out = append(out, harness.Metric{Unit: fmt.Sprintf("%sp%v-sec", prefix, math.Round(p*1e4)/1e2), Value: d.Quantile(p)})
	}
	return out
}

// cdf returns a distribution as a series: X in seconds, Y the share of the sample that is at most X.
func cdf(name string, d load.Distribution) harness.Series {
	s := harness.Series{Name: name, Unit: "share", Notes: fmt.Sprintf("%d values", d.N)}
	for i, p := range load.Probabilities() {
		if i < len(d.At) {
			s.X, s.Y = append(s.X, d.At[i]), append(s.Y, p)
		}
	}
	return s
}

// wake measures how long a woken thread takes to run beside busy ones.
func (s *stage) wake(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, out, err := s.run(ctx, load.Spec{Kind: load.Wake, Threads: loadThreads("busy", number(c, "busy"))}, b)
	if err != nil {
		return out, err
	}
	if r.Latency.N == 0 {
		out.Invalid = "the thread was never woken"
		return out, nil
	}
	add(&out, quantiles("", r.Latency, 0.5, 0.99, 0.999)...)
	out.Series = append(out.Series, cdf("cdf", r.Latency))
	return out, nil
}

// pipe measures the time of a round trip of one byte. On one CPU there is no idle time: where the clock counts
// instructions, the time is a number of instructions. It is taken from the middle half of the laps: rare work of
// the kernel, such as timer ticks, moved the mean of a window of 30 ms by 0.7 % from seed to seed.
func (s *stage) pipe(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	places := map[string][2]int{"same": {0, 0}, "apart": {0, 1}, "free": {-1, -1}}
	place, ok := places[c.Axis("place")]
	if !ok {
		return harness.Result{}, harness.Skip("place=%s means nothing for two threads and a pipe: same, apart or free", c.Axis("place"))
	}
	if place[1] >= runtime.NumCPU() {
		return harness.Result{}, harness.Skip("there is one CPU only")
	}
	r, out, err := s.run(ctx, load.Spec{Kind: load.Pipe, CPUs: place}, b)
	if err != nil {
		return out, err
	}
	exact.Describe(b.Counted, harness.CountedWindow{Unit: "insn/op", Amount: load.LapRounds, Laps: true})
	if r.Ops == 0 || r.Switches == 0 {
		out.Invalid = "no round was made"
		return out, nil
	}
	add(&out, harness.Metric{Unit: "sec/op", Value: r.Elapsed.Seconds() / r.Ops})
	if b.Exact && place[0] == place[1] && place[0] >= 0 {
		ns := stats.InterquartileMean(r.Laps) / load.LapRounds * 1e9
		add(&out, harness.Metric{Unit: "insn/op", Value: ns}, harness.Metric{Unit: "insn/switch", Value: ns * r.Ops / float64(r.Switches)})
	}
	return out, nil
}

// schbench measures a load with the pattern of schbench: messengers wake workers, workers compute.
func (s *stage) schbench(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, out, err := s.run(ctx, load.Spec{Kind: load.Bench, Workers: number(c, "workers")}, b)
	if err != nil {
		return out, err
	}
	if r.Latency.N == 0 {
		out.Invalid = "no request was done"
		return out, nil
	}
	add(&out, harness.Metric{Unit: "req/s", Value: r.Ops / b.Measure.Seconds()})
	add(&out, quantiles("", r.Latency, 0.5, 0.99, 0.999)...)
	add(&out, quantiles("wake-", r.Waking, 0.5, 0.99, 0.999)...)
	out.Series = append(out.Series, cdf("cdf", r.Latency), cdf("cdf-wake", r.Waking))
	return out, nil
}

// mixed measures the highest rate of requests served within a latency bound while batch threads run.
func (s *stage) mixed(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, out, err := s.run(ctx, load.Spec{
		Kind: load.Mixed, Threads: loadThreads("batch", number(c, "batch")),
		Bound: time.Duration(number(c, "bound")) * time.Millisecond,
	}, b)
	if err != nil {
		return out, err
	}
	add(&out, harness.Metric{Unit: "req/s", Value: r.Rate}, harness.Metric{Unit: "batch-op/s", Value: r.Ops / r.Elapsed.Seconds()})
	if r.Latency.N > 0 {
		add(&out, quantiles("", r.Latency, 0.5, 0.99)...)
		out.Series = append(out.Series, cdf("cdf", r.Latency))
	}
	return out, nil
}

// churn measures the rate of forks and exits.
func (s *stage) churn(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, out, err := s.run(ctx, load.Spec{Kind: load.Fork, Workers: number(c, "tasks")}, b)
	if err != nil {
		return out, err
	}
	add(&out, harness.Metric{Unit: "op/s", Value: r.Ops / b.Measure.Seconds()})
	return out, nil
}

// fairNice are the nice values whose weights are nearest to 1:2:4; fairWeight are these weights (sched_prio_to_weight
// in kernel/sched/core.c).
var (
	fairNice   = [3]int{-2, -5, -8}
	fairWeight = [3]float64{1586, 3121, 6100}
)

// fairThreads returns three threads of weights 1:2:4 for each CPU, pinned to the CPU or floating.
func fairThreads(pinned bool) []load.Thread {
	var out []load.Thread
	for cpu := range runtime.NumCPU() {
		for i, nice := range fairNice {
			t := load.Thread{Name: fmt.Sprintf("w%d.%d", 1<<i, cpu), Nice: nice, CPU: -1}
			if pinned {
				t.CPU = cpu
			}
			out = append(out, t)
		}
	}
	return out
}

// fair measures whether threads get CPU time in proportion to their weights.
func (s *stage) fair(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	pinned := c.Axis("place") == "pinned"
	if !pinned && c.Axis("place") != "floating" {
		return harness.Result{}, harness.Skip("place=%s means nothing for busy threads: pinned or floating", c.Axis("place"))
	}
	r, out, err := s.run(ctx, load.Spec{Kind: load.Spin, Threads: fairThreads(pinned)}, b)
	if err != nil {
		return out, err
	}
	runs := make([]float64, len(r.Threads))
	var gap time.Duration
	for i, t := range r.Threads {
		if t.Strays > 0 {
			out.Invalid = fmt.Sprintf("a thread pinned to a CPU was seen elsewhere %d times", t.Strays)
			return out, nil
		}
		runs[i], gap = t.Run.Seconds(), max(gap, t.Gap)
	}
	e, p10 := fairness(runs, pinned)
	if math.IsNaN(e) {
		out.Invalid = "no thread ran"
		return out, nil
	}
	add(&out, harness.Metric{Unit: "error-share", Value: e}, harness.Metric{Unit: "p10-share", Value: p10},
		harness.Metric{Unit: "op/s", Value: r.Ops / r.Elapsed.Seconds()}, harness.Metric{Unit: "gap-sec", Value: gap.Seconds()})
	out.Series = append(out.Series, harness.Series{Name: "run", Unit: "sec", Y: runs, Notes: "CPU time of threads of weight 1, 2, 4, for each CPU"})
	return out, nil
}

// fairness is the largest relative deviation of a thread's part of the run time from its part of the weights, on each
// CPU (or over all if they float), and the 10th percentile of run time by weight over its mean.
func fairness(runs []float64, pinned bool) (deviation, p10 float64) {
	group := len(runs)
	if pinned {
		group = len(fairWeight)
	}
	var byWeight []float64
	for g := 0; g < len(runs); g += group {
		var run, weight float64
		for i := g; i < g+group; i++ {
			run, weight = run+runs[i], weight+fairWeight[i%len(fairWeight)]
		}
		for i := g; i < g+group; i++ {
			rel := runs[i] / run / (fairWeight[i%len(fairWeight)] / weight)
			deviation = math.Max(deviation, math.Abs(rel-1))
			byWeight = append(byWeight, runs[i]/fairWeight[i%len(fairWeight)])
		}
	}
	var mean float64
	for _, v := range byWeight {
		mean += v / float64(len(byWeight))
	}
	slices.Sort(byWeight)
	return deviation, byWeight[len(byWeight)/10] / mean
}
