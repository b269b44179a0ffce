// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
)

// tool runs a command to its end in the island, with the machine's counts around it, and returns what it said. Once it runs, interrupt,
// if not nil, says when to interrupt it.
func (s *stage) tool(ctx context.Context, interrupt func(pid int), name string, args ...string) (string, harness.Result, error) {
	var out harness.Result
	cmd, err := command(ctx, name, args...)
	if err != nil {
		return "", out, err
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Dir = os.TempDir()
	before, err := s.count()
	if err != nil {
		return "", out, err
	}
	if err := s.island.Do(cmd.Start); err != nil {
		return "", out, fmt.Errorf("start %s: %w", name, err)
	}
	if interrupt != nil {
		interrupt(cmd.Process.Pid)
		_ = cmd.Process.Signal(os.Interrupt) // if it has ended, Wait says so
	}
	if err := cmd.Wait(); err != nil {
		return "", out, fmt.Errorf("run %s: %w: %s", name, err, said.String())
	}
	after, err := s.count()
	if err != nil {
		return "", out, err
	}
	out.Measured = after.at.Sub(before.at)
	out.Metrics = s.rates(before, after)
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		add(&out, harness.Metric{Unit: "forced-switch/s", Value: float64(u.Nivcsw) / out.Measured.Seconds()})
	}
	return said.String(), out, nil
}

// scaled is an amount that takes about a second, for the budget: at least 1.
func scaled(perSecond float64, b harness.Budget) int {
	return max(1, int(perSecond*b.Measure.Seconds()))
}

// hackbench measures the time of a message. A group is 20 senders, each of which writes to 20 receivers in every loop.
func (s *stage) hackbench(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	const perLoop = 20 * 20
	groups, loops := number(c, "groups"), scaled(350, b)
	said, out, err := s.tool(ctx, nil, "hackbench", "-g", strconv.Itoa(groups), "-l", strconv.Itoa(loops))
	if err != nil {
		return out, err
	}
	took, err := parseHackbench(said)
	if err != nil {
		return out, err
	}
	out.Iterations = int64(groups * loops * perLoop)
	add(&out, harness.Metric{Unit: "sec/op", Value: took.Seconds() / float64(out.Iterations)})
	return out, nil
}

// stressPatience is how much longer than the budget stress-ng may go on: its amounts are done in a few milliseconds under some
// schedulers and in a minute under others.
const stressPatience = 5

// stress measures mixes of stress-ng: given amounts and how long they take, or as much of them as is done in the patience, which
// stress-ng takes in whole seconds.
func (s *stage) stress(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	n := func(perSecond float64) string { return strconv.Itoa(scaled(perSecond, b)) }
	mixes := map[string][]string{
		"ipc":   {"--pipe", "1", "--pipe-ops", n(40000), "--futex", "1", "--futex-ops", n(10000), "--switch", "1", "--switch-ops", n(20000)},
		"mixed": {"--cpu", "2", "--cpu-method", "nsqrt", "--cpu-ops", n(2000), "--pipe", "1", "--pipe-ops", n(20000), "--futex", "1", "--futex-ops", n(5000)},
	}
	mix, ok := mixes[c.Axis("mix")]
	if !ok {
		return harness.Result{}, fmt.Errorf("unknown mix %q", c.Axis("mix"))
	}
	patience := max(2, scaled(stressPatience, b)) // seconds
	said, out, err := s.tool(ctx, nil, "stress-ng", append(mix, "--metrics-brief", "--timeout", strconv.Itoa(patience))...)
	if err != nil {
		return out, err
	}
	ops, err := parseStress(said)
	if err != nil {
		return out, err
	}
	out.Iterations = ops
	// stress-ng gives its times in hundredths of a second: the lab's clock is used, which counts its start and end too.
	add(&out, harness.Metric{Unit: "op/s", Value: float64(ops) / out.Measured.Seconds()})
	return out, nil
}

// cyclictest's threads, and its period and how far its histogram goes, microseconds.
const (
	cyclicThreads   = 2
	cyclicPeriod    = 500
	cyclicHistogram = 10_000
)

// cyclictest measures how late threads run that sleep until a time. The kernel lets timers of ordinary tasks be 50 µs
// late on purpose (timer slack), which is in the figure.
func (s *stage) cyclictest(ctx context.Context, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	if busy := number(c, "busy"); busy > 0 {
		beside, err := load.Start(ctx, load.Spec{Kind: load.Spin, Threads: loadThreads("busy", busy), Seed: b.Seed})
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, beside.Close()) }()
		if err := beside.Go(); err != nil {
			return out, err
		}
		time.Sleep(b.Warm)
	}
	// It is ended by time: how many wake-ups there are is up to who lets them wait.
	ready := func(pid int) {
		for began := time.Now(); tasks(pid) <= cyclicThreads && time.Since(began) < 20*time.Second && ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(b.Measure)
	}
	said, out, err := s.tool(ctx, ready, "cyclictest", "--policy=other", "-t"+strconv.Itoa(cyclicThreads), "-q",
		"-i", strconv.Itoa(cyclicPeriod), "-d0", "-h", strconv.Itoa(cyclicHistogram))
	if err != nil {
		return out, err
	}
	h, over, err := parseCyclictest(said)
	if err != nil {
		return out, err
	}
	for _, n := range append(h, over) {
		out.Iterations += int64(n)
	}
	if out.Iterations == 0 {
		out.Invalid = fmt.Sprintf("no thread was woken in %v", b.Measure)
		return out, nil
	}
	for _, q := range []struct {
		unit string
		p    float64
	}{{"p50-sec", 0.5}, {"p99-sec", 0.99}, {"max-sec", 1}} {
		add(&out, harness.Metric{Unit: q.unit, Value: histogramQuantile(h, over, q.p) / 1e6})
	}
	return out, nil
}
