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
)

const (
	changeConns  = 16
	changeBucket = 10 * time.Millisecond // of the time series of latency
	changeDwell  = 10 * time.Millisecond // between two changes, at least
)

// changes is the live changing of schedulers under a load, and what was seen of it.
type changes struct {
	stage     *stage
	order     []harness.Member // who is put in force, in turn; the kernel's own comes after the last
	begin     time.Time
	put, take []float64 // seconds
	at, what  []float64 // seconds since begin, and the place in order that came, 0 for the kernel's own
	force     *force
}

// change changes schedulers under wrk's load: the kernel's own, m, the next of the group, the kernel's own, and so on.
func (s *stage) change(ctx context.Context, m harness.Member, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	if m.Object == "" {
		return out, harness.Skip("the kernel's own scheduler is what is changed from and to")
	}
	w, err := s.serve(ctx)
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
	k, err := s.ask(ctx, w, changeConns)
	if err != nil {
		return out, err
	}
	if err := probe.Go(); err != nil {
		_, kerr := k.end()
		return out, errors.Join(err, kerr)
	}
	ch := &changes{stage: s, order: []harness.Member{m, s.after(m)}, begin: time.Now()}
	n := number(c, "changes")
	cerr := ch.all(ctx, n, max(changeDwell, b.Measure/time.Duration(n)))
	stop := probe.Stop()
	said, kerr := k.end()
	seen, perr := probe.Wait()
	if err := errors.Join(cerr, kerr, stop, perr); err != nil {
		return out, err
	}
	total := said.requests + int64(len(seen.At)+seen.Failed)
	out = harness.Result{Iterations: int64(n), Measured: time.Since(ch.begin)}
	for _, metric := range said.metrics() {
		if metric.Unit == "failed-share" {
			metric.Value = float64(said.failed+int64(seen.Failed)) / float64(max(1, total))
		}
		add(&out, metric)
	}
	add(&out, harness.Metric{Unit: "put-sec", Value: middle(ch.put)})
	if len(ch.take) > 0 {
		add(&out, harness.Metric{Unit: "take-sec", Value: middle(ch.take)})
	}
	x, y := worstOf(seen.At, seen.Took, changeBucket.Seconds())
	out.Series = append(out.Series,
		harness.Series{Name: "latency", Unit: "sec", X: x, Y: y, Notes: "worst latency of one connection beside wrk's, in portions of 10 ms"},
		harness.Series{Name: "changes", Unit: "scheduler", X: ch.at, Y: ch.what,
			Notes: fmt.Sprintf("0 the kernel's own, 1 %s, 2 %s", ch.order[0].Name, ch.order[1].Name)})
	return out, nil
}

// after is the next BPF scheduler of the group that works, as far as is known; m itself if there is no other.
func (s *stage) after(m harness.Member) harness.Member {
	at := slices.IndexFunc(s.members, func(o harness.Member) bool { return o.Name == m.Name })
	for i := 1; i < len(s.members); i++ {
		o := s.members[(at+i)%len(s.members)]
		if o.Object != "" && o.Variant.Class != harness.ClassBroken && !s.failed[o.Name] {
			return o
		}
	}
	return m
}

// all makes n changes and ends with the kernel's own scheduler in force.
func (ch *changes) all(ctx context.Context, n int, dwell time.Duration) (err error) {
	defer func() { err = errors.Join(err, ch.leave()) }()
	for i := range n {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dwell):
		}
		if err := ch.leave(); err != nil {
			return err
		}
		next := (i + 1) % (len(ch.order) + 1)
		if next > 0 {
			began := time.Now()
			if ch.force, err = ch.stage.enforce(ctx, ch.order[next-1]); err != nil {
				return fmt.Errorf("change %d: %w", i+1, err)
			}
			ch.put = append(ch.put, time.Since(began).Seconds())
		}
		ch.at, ch.what = append(ch.at, time.Since(ch.begin).Seconds()), append(ch.what, float64(next))
	}
	time.Sleep(dwell)
	return nil
}

// leave takes out what is in force, which must have been so all the time.
func (ch *changes) leave() error {
	f := ch.force
	if f == nil {
		return nil
	}
	ch.force = nil
	broken := f.broken()
	began := time.Now()
	err := f.close()
	ch.take = append(ch.take, time.Since(began).Seconds())
	return errors.Join(broken, err)
}

// middle is the median.
func middle(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// worstOf is the largest y in each portion of x of the given width that has any; each is named by its middle.
func worstOf(x, y []float64, width float64) (mid, worst []float64) {
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
