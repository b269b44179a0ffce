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

// runTool runs a command in the island, reads the machine's counters before and after, and returns the command's
// output. The command gets SIGINT when interrupt, if not nil, returns.
func (s *stage) runTool(ctx context.Context, b harness.Budget, interrupt func(pid int), name string, args ...string) (string, harness.Result, error) {
	var out harness.Result
	cmd, err := command(ctx, name, args...)
	if err != nil {
		return "", out, err
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Dir = os.TempDir()
	before, err := s.readCounts()
	if err != nil {
		return "", out, err
	}
	defer b.Window()()
	if err := s.island.Do(cmd.Start); err != nil {
		return "", out, fmt.Errorf("start %s: %w", name, err)
	}
	if interrupt != nil {
		interrupt(cmd.Process.Pid)
		_ = cmd.Process.Signal(os.Interrupt) // Wait reports a command that has ended already
	}
	if err := cmd.Wait(); err != nil {
		return "", out, fmt.Errorf("run %s: %w: %s", name, err, output.String())
	}
	after, err := s.readCounts()
	if err != nil {
		return "", out, err
	}
	out.Measured = after.at.Sub(before.at)
	out.Metrics = s.rates(before, after)
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		add(&out, harness.Metric{Unit: "forced-switch/s", Value: float64(u.Nivcsw) / out.Measured.Seconds()})
	}
	return output.String(), out, nil
}

// scale returns the amount of work for the budget, from the amount for a second: at least 1.
func scale(perSecond float64, b harness.Budget) int {
	return max(1, int(perSecond*b.Measure.Seconds()))
}

// hackbench measures the time of a message. A group is 20 senders, each of which writes to 20 receivers in every loop.
func (s *stage) hackbench(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	const perLoop = 20 * 20
	groups, loops := number(c, "groups"), scale(350, b)
	output, out, err := s.runTool(ctx, b, nil, "hackbench", "-g", strconv.Itoa(groups), "-l", strconv.Itoa(loops))
	if err != nil {
		return out, err
	}
	took, err := parseHackbench(output)
	if err != nil {
		return out, err
	}
	out.Iterations = int64(groups * loops * perLoop)
	add(&out, harness.Metric{Unit: "sec/op", Value: took.Seconds() / float64(out.Iterations)})
	return out, nil
}

// stressPatience is the time limit of stress-ng as a multiple of the budget: the time for the same work varies by
// orders of magnitude between schedulers.
const stressPatience = 5

// stress measures mixes of stress-ng: the rate of a fixed amount of work, or of the part done within the time limit,
// which stress-ng takes in whole seconds.
func (s *stage) stress(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	n := func(perSecond float64) string { return strconv.Itoa(scale(perSecond, b)) }
	mixes := map[string][]string{
		"ipc":   {"--pipe", "1", "--pipe-ops", n(40000), "--futex", "1", "--futex-ops", n(10000), "--switch", "1", "--switch-ops", n(20000)},
		"mixed": {"--cpu", "2", "--cpu-method", "nsqrt", "--cpu-ops", n(2000), "--pipe", "1", "--pipe-ops", n(20000), "--futex", "1", "--futex-ops", n(5000)},
	}
	mix, ok := mixes[c.Axis("mix")]
	if !ok {
		return harness.Result{}, fmt.Errorf("unknown mix %q", c.Axis("mix"))
	}
	patience := max(2, scale(stressPatience, b)) // seconds
	output, out, err := s.runTool(ctx, b, nil, "stress-ng", append(mix, "--metrics-brief", "--timeout", strconv.Itoa(patience))...)
	if err != nil {
		return out, err
	}
	ops, err := parseStress(output)
	if err != nil {
		return out, err
	}
	out.Iterations = ops
	// stress-ng prints times in hundredths of a second, too coarse: the lab's clock is used, which includes start and exit.
	add(&out, harness.Metric{Unit: "op/s", Value: float64(ops) / out.Measured.Seconds()})
	return out, nil
}

// Arguments of cyclictest: threads, and the period and the length of the histogram in microseconds.
const (
	cyclicThreads   = 2
	cyclicPeriod    = 500
	cyclicHistogram = 10_000
)

// cyclictest measures the latency of threads that sleep until a time. The figure includes timer slack, 50 µs for
// ordinary tasks.
func (s *stage) cyclictest(ctx context.Context, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	if busy := number(c, "busy"); busy > 0 {
		busyLoad, err := load.Start(ctx, load.Spec{Kind: load.Spin, Threads: loadThreads("busy", busy), Seed: b.Seed})
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, busyLoad.Close()) }()
		if err := busyLoad.Go(); err != nil {
			return out, err
		}
		time.Sleep(b.Warm)
	}
	// The run ends by time: the number of wakeups depends on the scheduler.
	ready := func(pid int) {
		for began := time.Now(); countThreads(pid) <= cyclicThreads && time.Since(began) < 20*time.Second && ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(b.Measure)
	}
	output, out, err := s.runTool(ctx, b, ready, "cyclictest", "--policy=other", "-t"+strconv.Itoa(cyclicThreads), "-q",
		"-i", strconv.Itoa(cyclicPeriod), "-d0", "-h", strconv.Itoa(cyclicHistogram))
	if err != nil {
		return out, err
	}
	r, err := parseCyclictest(output)
	if err != nil {
		return out, err
	}
	out.Iterations = int64(r.wakes())
	if out.Iterations == 0 {
		out.Invalid = fmt.Sprintf("no thread was woken in %v", b.Measure)
		return out, nil
	}
	add(&out, r.metrics()...)
	return out, nil
}
