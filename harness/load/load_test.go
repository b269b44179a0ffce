// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"math"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("GORACE") == "" { // else a program built with -race waits for a second at its end, and is killed for it
		os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// busy are n threads anywhere.
func busy(n int) []Thread {
	out := make([]Thread, n)
	for i := range out {
		out[i].CPU = -1
	}
	return out
}

// Every kind that has an end of its own runs as a process and reports something that can be.
func TestKinds(t *testing.T) {
	d := 60 * time.Millisecond
	for _, tt := range []struct {
		spec Spec
		want func(Report) bool
	}{
		{Spec{Kind: Spin, Threads: []Thread{{CPU: 0}, {CPU: -1}}}, func(r Report) bool {
			return r.Ops > 0 && len(r.Threads) == 2 && r.Threads[0].Run > 0 && r.Threads[0].Run < 2*d && r.Threads[0].Strays == 0
		}},
		{Spec{Kind: Spin, Threads: []Thread{{CPU: -1, Sleep: d / 2}, {CPU: -1, Idle: true}, {CPU: -1, Yield: true}}, Patience: 5 * time.Second,
			Children: 20, ChildRounds: 1000}, func(r Report) bool {
			return r.Threads[0].Run > 0 && r.Threads[0].Run < r.Elapsed-d/2+5*time.Millisecond && r.Threads[1].Run > 0 && r.Threads[2].Run > 0 && r.Burst > 0
		}},
		{Spec{Kind: Sleepy, Threads: busy(1), Workers: 1}, func(r Report) bool { return len(r.Threads) == 1 && r.Threads[0].Run > 0 }},
		{Spec{Kind: Pipe, CPUs: [2]int{0, 0}}, func(r Report) bool {
			var laps float64
			for _, l := range r.Laps {
				laps += l
			}
			return r.Ops > 10 && r.Switches > int64(r.Ops) && r.Switches < int64(3*r.Ops) &&
				len(r.Laps)*LapRounds == int(r.Ops) && math.Abs(laps-r.Elapsed.Seconds()) < 1e-6
		}},
		{Spec{Kind: Pipe, CPUs: [2]int{-1, -1}}, func(r Report) bool { return r.Ops > 10 }},
		{Spec{Kind: Wake, Threads: busy(2)}, func(r Report) bool {
			return r.Latency.N > 5 && r.Latency.Quantile(0.5) > 0 && r.Latency.Quantile(0.5) <= r.Latency.Quantile(1)
		}},
		{Spec{Kind: Bench, Workers: 3}, func(r Report) bool {
			return r.Latency.N > 10 && r.Waking.N == r.Latency.N && r.Latency.Quantile(0) >= benchRest.Seconds()
		}},
		{Spec{Kind: Mixed, Threads: busy(1), Bound: time.Second}, func(r Report) bool { return r.Rate >= mixedFirst && r.Ops > 0 }},
		{Spec{Kind: Fork, Workers: 2}, func(r Report) bool { return r.Ops > 2 }},
	} {
		t.Run(tt.spec.Kind, func(t *testing.T) {
			tt.spec.Measure, tt.spec.Warm, tt.spec.Seed = d, 5*time.Millisecond, 3
			r, err := Run(t.Context(), tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			if !tt.want(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A load without an end of its own stops when it is told to, and one that is given up leaves no process.
func TestStop(t *testing.T) {
	l, err := Start(t.Context(), Spec{Kind: Spin, Threads: busy(1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Go(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Wait(); err != nil || r.Ops <= 0 {
		t.Errorf("%+v, %v", r, err)
	}
	l, err = Start(t.Context(), Spec{Kind: Spin, Threads: busy(1)})
	if err != nil {
		t.Fatal(err)
	}
	pid := l.Pid()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		t.Error("the process is still there")
	}
}

// TestRefuses: impossible values are errors that name them.
func TestRefuses(t *testing.T) {
	for _, s := range []Spec{{Kind: "sleep"}, {Kind: Spin, Measure: time.Millisecond, Threads: []Thread{{CPU: 1000}}}} {
		if _, err := Run(t.Context(), s); err == nil {
			t.Errorf("%+v was taken", s)
		} else {
			t.Log(err)
		}
	}
}

func TestDistribution(t *testing.T) {
	var ns []int64
	for i := 1000; i > 0; i-- {
		ns = append(ns, int64(i)*1e6)
	}
	d := NewDistribution(ns)
	for p, want := range map[float64]float64{0: 0.001, 0.5: 0.5, 0.99: 0.99, 0.999: 0.999, 1: 1} {
		if got := d.Quantile(p); got != want {
			t.Errorf("quantile %v is %v, want %v", p, got, want)
		}
	}
	if d.N != 1000 || len(d.At) != len(Probabilities()) {
		t.Errorf("%d values, %d quantiles", d.N, len(d.At))
	}
	if (Distribution{}).Quantile(0.5) != 0 {
		t.Error("an empty sample has a median")
	}
}
