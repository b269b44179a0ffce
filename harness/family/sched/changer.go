// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/harness/stats"
)

const (
	changeConns  = 16
	changeBucket = 10 * time.Millisecond // width of a bucket of the latency series
	changeDwell  = 10 * time.Millisecond // the least time between two changes
)

// A changer alternates schedulers under load and records the times of the changes.
type changer struct {
	stage                 *stage
	order                 []harness.Member // the schedulers, in order; the kernel's own follows the last
	begin                 time.Time
	putTimes, removeTimes []float64 // seconds
	times, places         []float64 // seconds since begin, and the place in order of the new scheduler; 0 is the kernel's own
	force                 *enforcement
}

// alternate changes schedulers under wrk's load: the kernel's own, m, the next of the group, the kernel's own, and so on.
func (s *stage) alternate(ctx context.Context, m harness.Member, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	if m.Object == "" {
		return out, harness.Skip("workload switch needs a BPF scheduler: the kernel's own is one side of every change")
	}
	w, err := s.startNginx(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var probe *load.Load
	if err := s.island.Do(func() error {
		probe, err = load.Start(ctx, load.Spec{Kind: load.Probe, Addr: webAddr, Path: webPath})
		return err
	}); err != nil {
		return out, err
	}
	defer probe.Close()
	k, err := s.startWrk(ctx, w, changeConns)
	if err != nil {
		return out, err
	}
	if err := probe.Go(); err != nil {
		_, kerr := k.stop()
		return out, errors.Join(err, kerr)
	}
	ch := &changer{stage: s, order: []harness.Member{m, s.nextScheduler(m)}, begin: time.Now()}
	n := number(c, "changes")
	end := b.Window()
	cerr := ch.run(ctx, n, max(changeDwell, b.Measure/time.Duration(n)))
	end()
	stop := probe.Stop()
	report, kerr := k.stop()
	probed, perr := probe.Wait()
	if err := errors.Join(cerr, kerr, stop, perr); err != nil {
		return out, err
	}
	total := report.requests + int64(len(probed.At)+probed.Failed)
	out = harness.Result{Iterations: int64(n), Measured: time.Since(ch.begin)}
	for _, metric := range report.metrics() {
		if metric.Unit == "failed-share" {
			metric.Value = float64(report.failed+int64(probed.Failed)) / float64(max(1, total))
		}
		add(&out, metric)
	}
	if len(ch.putTimes) > 0 {
		add(&out, harness.Metric{Unit: "put-sec", Value: stats.Median(ch.putTimes)})
	}
	if len(ch.removeTimes) > 0 {
		add(&out, harness.Metric{Unit: "take-sec", Value: stats.Median(ch.removeTimes)})
	}
	x, y := maxPerBucket(probed.At, probed.Took, changeBucket.Seconds())
	out.Series = append(out.Series,
		harness.Series{Name: "latency", Unit: "sec", X: x, Y: y, Notes: "worst latency of one connection beside wrk's, in portions of 10 ms"},
		harness.Series{Name: "changes", Unit: "scheduler", X: ch.times, Y: ch.places,
			Notes: fmt.Sprintf("0 the kernel's own, 1 %s, 2 %s", ch.order[0].Name, ch.order[1].Name)})
	return out, nil
}

// nextScheduler returns the next BPF scheduler of the group that has not failed its gate, or m if there is no other.
func (s *stage) nextScheduler(m harness.Member) harness.Member {
	at := slices.IndexFunc(s.members, func(o harness.Member) bool { return o.Name == m.Name })
	for i := 1; i < len(s.members); i++ {
		o := s.members[(at+i)%len(s.members)]
		if o.Object != "" && o.Variant.Class != harness.ClassBroken && !s.failed[o.Name] {
			return o
		}
	}
	return m
}

// run makes n changes and ends with the kernel's own scheduler in force.
func (ch *changer) run(ctx context.Context, n int, dwell time.Duration) (err error) {
	defer func() { err = errors.Join(err, ch.remove()) }()
	for i := range n {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dwell):
		}
		if err := ch.remove(); err != nil {
			return err
		}
		next := (i + 1) % (len(ch.order) + 1)
		if next > 0 {
			began := time.Now()
			if ch.force, err = ch.stage.enforce(ctx, ch.order[next-1]); err != nil {
				return fmt.Errorf("change %d: %w", i+1, err)
			}
			ch.putTimes = append(ch.putTimes, time.Since(began).Seconds())
		}
		ch.times, ch.places = append(ch.times, time.Since(ch.begin).Seconds()), append(ch.places, float64(next))
	}
	time.Sleep(dwell)
	return nil
}

// remove disables the BPF scheduler in force. A scheduler that was not in force all the time is an error.
func (ch *changer) remove() error {
	f := ch.force
	if f == nil {
		return nil
	}
	ch.force = nil
	broken := f.checkInForce()
	began := time.Now()
	err := f.close()
	ch.removeTimes = append(ch.removeTimes, time.Since(began).Seconds())
	return errors.Join(broken, err)
}

// maxPerBucket returns the largest y of each bucket of x that has a value, and the middle of that bucket.
func maxPerBucket(x, y []float64, width float64) (mid, worst []float64) {
	for i := range x {
		m := (float64(int(x[i]/width)) + 0.5) * width
		if n := len(mid); n > 0 && mid[n-1] == m {
			worst[n-1] = max(worst[n-1], y[i])
			continue
		}
		mid, worst = append(mid, m), append(worst, y[i])
	}
	return mid, worst
}
