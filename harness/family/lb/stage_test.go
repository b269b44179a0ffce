// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// TestLBAxes: an axis takes whole numbers within its bounds, each in one spelling, as the spelling names the cell.
func TestLBAxes(t *testing.T) {
	for _, good := range [][2]string{{"services", "1"}, {"services", "30000"}, {"ip", "6"}, {"rate", "0"}, {"syn", "100"}, {"size", "64"}} {
		if err := (Family{}).CheckAxis(good[0], good[1]); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range [][2]string{{"services", "0"}, {"services", "1e3"}, {"services", "NaN"}, {"services", "01"}, {"services", "+1"},
		{"services", ""}, {"services", "30001"}, {"ip", "5"}, {"rate", "-1"}, {"rate", "1.5"}, {"syn", "101"}, {"size", "63"}} {
		if err := (Family{}).CheckAxis(bad[0], bad[1]); err == nil {
			t.Errorf("%s=%s is accepted", bad[0], bad[1])
		}
	}
}

// TestOffRate: a fixed rate that was not held within 1 % makes a trial invalid; flat out there is none to hold.
func TestOffRate(t *testing.T) {
	for _, c := range []struct {
		want, got float64
		held      bool
	}{{0, 123, true}, {1e6, 1e6, true}, {1e6, 990_000, true}, {1e6, 972_000, false}, {20_000, 20_210, false}} {
		if why := offRate(c.want, c.got); (why == "") != c.held {
			t.Errorf("%.0f packets/s of %.0f: %q", c.got, c.want, why)
		}
	}
}

// TestLapsLost: laps of packets that were lost time nothing of the balancer's.
func TestLapsLost(t *testing.T) {
	for _, c := range []struct {
		arrived, sent uint64
		holds         bool
	}{{9217, 9217, true}, {9130, 9217, true}, {9100, 9217, false}, {256, 9217, false}} {
		if why := lapsLost(c.arrived, c.sent); (why == "") != c.holds {
			t.Errorf("%d of %d packets: %q", c.arrived, c.sent, why)
		}
	}
}

// TestNextBurst: bursts grow to what fills the time, never by more than newflowGrowth, and in target exact by four alone.
func TestNextBurst(t *testing.T) {
	budget := harness.Budget{Measure: 400 * time.Millisecond}
	exact := budget
	exact.Exact = true
	for _, c := range []struct {
		budget harness.Budget
		last   uint64
		sofar  harness.Result
		want   uint64
	}{
		{budget, 256, harness.Result{Iterations: 256, Measured: 25600 * time.Nanosecond}, 256 * newflowGrowth}, // 0.1 us a packet
		{budget, 65536, harness.Result{Iterations: 65536, Measured: 40 * time.Millisecond}, 619315},            // a tenth of the time
		{budget, 256, harness.Result{Iterations: 256, Measured: 80 * time.Millisecond}, 1075},
		{budget, 1 << 20, harness.Result{Iterations: 1 << 20, Measured: 399999 * time.Microsecond}, newflowFirst}, // next to nothing left
		{budget, 1 << 20, harness.Result{Iterations: 1 << 20, Measured: time.Second}, newflowFirst},
		{exact, 256, harness.Result{Iterations: 256, Measured: 80 * time.Millisecond}, 1024},
	} {
		if got := nextBurst(c.last, c.sofar, c.budget); got != c.want {
			t.Errorf("after %d packets and %v of %v: %d, want %d", c.last, c.sofar.Measured, c.budget.Measure, got, c.want)
		}
	}
}
