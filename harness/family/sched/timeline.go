// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
)

// timelineSeries is the first word of the name of a timeline's series, "timeline CPU TASK": X is the start of a turn,
// Y its length, both in seconds.
const timelineSeries = "timeline"

// maxTurns is the largest number of turns in a timeline: more are indistinguishable in a figure, and a guest sends
// all of them through a serial port.
const maxTurns = 1200

// timeline records which task ran where: one busy thread each of weights 1, 2 and 4, which float, and two that sleep.
func (s *stage) timeline(ctx context.Context, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	t, err := newTracer()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	spec := load.Spec{Kind: load.Sleepy, Workers: 2, Seed: b.Seed}
	for i, nice := range fairNice {
		spec.Threads = append(spec.Threads, load.Thread{Name: fmt.Sprintf("weight%d", 1<<i), Nice: nice, CPU: -1})
	}
	l, err := load.Start(ctx, spec)
	if err != nil {
		return out, err
	}
	defer l.Close()
	if err := l.Go(); err != nil {
		return out, err
	}
	time.Sleep(b.Warm)
	end := b.Window()
	defer end()
	if err := t.set(true); err != nil {
		return out, err
	}
	began := time.Now()
	time.Sleep(b.Measure)
	if err := t.set(false); err != nil {
		return out, err
	}
	took := time.Since(began)
	if err := l.Stop(); err != nil {
		return out, err
	}
	if _, err := l.Wait(); err != nil {
		return out, err
	}
	turns, err := t.turns()
	if err != nil {
		return out, err
	}
	out = harness.Result{Iterations: max(1, int64(len(turns))), Measured: took}
	var sum float64
	n := 0
	for _, u := range turns {
		if strings.HasPrefix(u.task, "weight") {
			sum, n = sum+float64(u.end-u.start)/1e9, n+1
		}
	}
	if n == 0 {
		out.Invalid = "no turn of a busy thread was seen"
		return out, nil
	}
	add(&out, harness.Metric{Unit: "switch/s", Value: float64(len(turns)) / took.Seconds()}, harness.Metric{Unit: "slice-sec", Value: sum / float64(n)})
	out.Series = append(out.Series, timelineOf(turns, b.Measure)...)
	return out, nil
}

// timelineOf returns the turns of the first length as series, one for each task on each CPU. Tasks outside the load
// are one task, "other". Later turns are dropped: under some schedulers the lab ends the recording late.
func timelineOf(turns []turn, length time.Duration) []harness.Series {
	if len(turns) == 0 {
		return nil
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return int(math.Copysign(1, float64(a.start)-float64(b.start))) })
	zero := turns[0].start
	var out []harness.Series
	at := map[string]int{}
	shown := 0
	for _, u := range turns {
		if u.pid == 0 || u.start >= zero+uint64(length) { // idle, or late
			continue
		}
		end := min(u.end, zero+uint64(length))
		if shown++; shown > maxTurns {
			break
		}
		task := u.task
		if !strings.HasPrefix(task, "weight") && !strings.HasPrefix(task, "sleepy") {
			task = "other"
		}
		name := fmt.Sprintf("%s %d %s", timelineSeries, u.cpu, task)
		i, ok := at[name]
		if !ok {
			i = len(out)
			at[name] = i
			out = append(out, harness.Series{Name: name, Unit: "sec"})
		}
		out[i].X = append(out[i].X, round6(float64(u.start-zero)/1e9))
		out[i].Y = append(out[i].Y, round6(float64(end-u.start)/1e9))
	}
	return out
}

// round6 rounds a time in seconds to microseconds.
func round6(v float64) float64 { return math.Round(v*1e6) / 1e6 }
