// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"strings"
	"testing"
)

// exactRun boots an exact guest that prints digits, and returns them.
func exactRun(t *testing.T, cpus int, seed uint64) string {
	t.Helper()
	c, out := guestCmd(t, "digits")
	c.CPUs, c.Exact = cpus, &Exact{Seed: seed}
	if err := run(t, c); err != nil {
		t.Fatal(err)
	}
	cal := c.ready().Calibration
	if cal == nil {
		t.Fatal("an exact guest is not calibrated")
	}
	t.Log(cal)
	if off := cal.off(); off < 0 || off > offMax {
		t.Errorf("%v", cal)
	}
	return cal.String() + "\n" + out.String()
}

// The same seed gives the same digits, also beside a load; another does not.
func TestExactRepeats(t *testing.T) {
	for _, cpus := range []int{1, 2} {
		if cpus > 1 && os.Geteuid() != 0 {
			t.Skip("several CPUs: not tested, needs root for SCHED_FIFO")
		}
		first := exactRun(t, cpus, 7)
		stop := load()
		second := exactRun(t, cpus, 7)
		stop()
		if first != second {
			t.Errorf("%d CPUs: the same seed gives\n%s\nand\n%s", cpus, first, second)
		}
		if cpus == 1 && exactRun(t, cpus, 8) == first {
			t.Errorf("another seed gives the same digits:\n%s", first)
		}
		if n := strings.Count(first, "loop"); n != cpus {
			t.Errorf("%d loops, want %d", n, cpus)
		}
	}
}

// load keeps two of this machine's CPUs busy until stop is called.
func load() (stop func()) {
	quit := make(chan struct{})
	for range 2 {
		go func() {
			for {
				select {
				case <-quit:
					return
				default:
					spin(1_000_000)
				}
			}
		}()
	}
	return func() { close(quit) }
}
