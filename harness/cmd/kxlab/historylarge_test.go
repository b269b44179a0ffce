// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/labtest"
)

// largeHistory writes a history of commits with cells of two repeats: at each fifth commit some cells step, and three cells of ten stray by 0.1 %.
func largeHistory(t *testing.T, dir string, commits, cells int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	level := make([]float64, cells)
	for k := range level {
		level[k] = 1000 + 10*float64(k)
	}
	for c := range commits {
		if c%5 == 4 {
			for range 1 + rng.IntN(20) {
				level[rng.IntN(cells)] *= 0.9 + 0.2*rng.Float64()
			}
		}
		r := history.Run{Setting: history.Setting{Experiment: "lb", Target: "exact", CPU: "a CPU", Profile: "smoke", Seed: 1}, Kernel: "7.2", QEMU: "7.2",
			Recorded: time.Unix(int64(1e9+c), 0), Better: map[string]int{"insn/pkt": -1}, Values: map[history.Series][]float64{}}
		for k := range cells {
			s := history.Series{Cell: fmt.Sprintf("LB/workload=pps/class=nat/variant=v%d/services=1/ip=4/flows=%d/size=64/rate=0/syn=0", k%20, k), Unit: "insn/pkt"}
			for range 2 {
				v := level[k]
				if k%10 < 3 {
					v *= 1 + 0.001*rng.NormFloat64()
				}
				r.Values[s] = append(r.Values[s], v)
			}
		}
		e := history.Entry{Commit: fmt.Sprintf("%08x%032x", rng.Uint32(), c), Committed: time.Unix(int64(1e9+60*c), 0), Subject: fmt.Sprintf("lb: commit %d of a long line of them", c), Runs: []history.Run{r}}
		f, err := os.Create(filepath.Join(dir, e.Commit+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(e.Write(f), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargeHistory: 1,000 commits with 500 cells are read, searched and shown in 500 MB, and in 5 s where nothing else runs; their page has less
// than 1 MB. HISTORY_KEEP keeps history and site in a folder.
func TestLargeHistory(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("it writes 120 MB: make soak runs it")
	}
	dir := cmp.Or(os.Getenv("HISTORY_KEEP"), t.TempDir())
	largeHistory(t, filepath.Join(dir, "h"), 1000, 500)
	run, err := filepath.Abs("../../../results/sched-pipe")
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"history": {"history", "--history", "h"}, "site": {"site", "site", run, "--history", "h"}} {
		cmd, errs := command(t, dir, args...)
		begin := time.Now()
		if out, err := cmd.Output(); err != nil || len(out) == 0 {
			t.Fatalf("%s: %v: %s%s", name, err, out, errs)
		}
		use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		t.Logf("%s: %.1f s, CPU time %.1f s, %d MB", name, time.Since(begin).Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), use.Maxrss/1024)
		if use.Maxrss > 500*1024 {
			t.Errorf("%s takes %d MB, want 500 at most", name, use.Maxrss/1024)
		}
	}
	st, err := os.Stat(filepath.Join(dir, "site", "history.html"))
	if err != nil || st.Size() > 1e6 {
		t.Fatalf("the page: %v, %d bytes, want 1,000,000 at most", err, st.Size())
	}
	t.Logf("the page has %d bytes", st.Size())
}
