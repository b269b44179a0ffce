// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/labtest"
)

// checkCalibration fails unless the guest counted what it executed.
func checkCalibration(t *testing.T, cal *Calibration) {
	t.Helper()
	if cal == nil {
		t.Fatal("an exact guest is not calibrated")
	}
	if off := cal.off(); off < 0 || off > offMax {
		t.Errorf("%v", cal)
	}
}

// With two CPUs the same seed gives the same digits, also beside a load. TestSnapshotDigits does the same with one, and with another seed.
func TestExactRepeats(t *testing.T) {
	const cpus = 2
	if !labtest.Soak() {
		t.Skip("takes minutes beside other work: make soak runs it")
	}
	if os.Geteuid() != 0 {
		t.Skip("several CPUs: not tested, needs root for SCHED_FIFO")
	}
	digits := func() string {
		c, out := exactCmd(t, "digits")
		c.CPUs = cpus
		if err := run(t, c); err != nil {
			t.Fatal(err)
		}
		checkCalibration(t, c.ready().Calibration)
		return c.ready().Calibration.String() + "\n" + out.String()
	}
	first := digits()
	stop := load()
	second := digits()
	stop()
	if first != second {
		t.Errorf("the same seed gives\n%s\nand\n%s", first, second)
	}
	if n := strings.Count(first, "loop"); n != cpus {
		t.Errorf("%d loops, want %d", n, cpus)
	}
}

// load keeps two of this machine's CPUs busy for half of the time, by turns of milliseconds, until stop is called: other tests run beside it.
func load() (stop func()) {
	quit := make(chan struct{})
	for range 2 {
		go func() {
			for {
				select {
				case <-quit:
					return
				default:
					began := time.Now()
					spin(4_000_000)
					time.Sleep(time.Since(began))
				}
			}
		}()
	}
	return func() { close(quit) }
}
