// SPDX-License-Identifier: Apache-2.0

package workload

import "testing"

// TestLBAxes: an axis takes whole numbers within its bounds, each in one spelling, as the spelling names the cell.
func TestLBAxes(t *testing.T) {
	for _, good := range [][2]string{{"services", "1"}, {"services", "30000"}, {"ip", "6"}, {"rate", "0"}, {"syn", "100"}, {"size", "64"}} {
		if err := (LB{}).CheckAxis(good[0], good[1]); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range [][2]string{{"services", "0"}, {"services", "1e3"}, {"services", "NaN"}, {"services", "01"}, {"services", "+1"},
		{"services", ""}, {"services", "30001"}, {"ip", "5"}, {"rate", "-1"}, {"rate", "1.5"}, {"syn", "101"}, {"size", "63"}} {
		if err := (LB{}).CheckAxis(bad[0], bad[1]); err == nil {
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
