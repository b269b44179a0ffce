// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kxlab/kxlab/harness"
)

// commit is an invented hash.
func commit(i int) string { return fmt.Sprintf("%040x", i+1) }

// invented is a history of n commits of one setting with series of which value gives the values.
func invented(n, cells, repeats int, target string, value func(commit, cell, repeat int) float64) []Entry {
	var out []Entry
	for c := range n {
		r := Run{Setting: Setting{"lb", target, "a CPU", "smoke", 1}, Kernel: "7.2", QEMU: "7.2", Recorded: time.Unix(int64(1e9+c), 0).UTC(),
			Better: map[string]int{"insn/pkt": -1}, Values: map[Series][]float64{}}
		for k := range cells {
			for repeat := range repeats {
				r.put(Series{fmt.Sprintf("LB/workload=pps/class=nat/variant=v%d", k), "insn/pkt"}, repeat, value(c, k, repeat))
			}
		}
		e := Entry{Commit: commit(c), Committed: time.Unix(int64(1e9+60*c), 0).UTC(), Subject: fmt.Sprintf("commit %d", c), Runs: []Run{r}}
		if c > 0 {
			e.Parents = []string{commit(c - 1)}
		}
		out = append(out, e)
	}
	return out
}

func line(entries []Entry) Line { return ByTime(entries) }

// TestRoundTrip: what is written is read as it was, and the same bytes come of it.
func TestRoundTrip(t *testing.T) {
	e := invented(2, 3, 2, harness.TargetExact, func(c, k, r int) float64 { return 1000.125 + float64(k) + 0.5*float64(r) })[1]
	other := e.Runs[0]
	other.Asked = "--variants w"
	other.Target, other.Better, other.Values = harness.TargetHost, map[string]int{"pkt/s": 1}, map[Series][]float64{}
	other.put(Series{"LB/workload=pps/class=nat/variant=w", "pkt/s"}, 1, 7e6) // repeat 0 was rejected
	e.Runs = append(e.Runs, other)
	var a, b bytes.Buffer
	if err := e.Write(&a); err != nil {
		t.Fatal(err)
	}
	got, err := read(bytes.NewReader(a.Bytes()), "x.txt", map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Entry{})); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, a.String())
	}
	if err := got.Write(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("written again it is\n%s, %v", b.String(), err)
	}
}

// TestDamaged: a file that no lab writes is an error that names the file and the line, and nothing of it is taken.
func TestDamaged(t *testing.T) {
	var good bytes.Buffer
	if err := invented(1, 1, 2, harness.TargetExact, func(int, int, int) float64 { return 1 })[0].Write(&good); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"hash":      {"commit: 0", "commit: x", "no whole hash"},
		"seed":      {"seed: 1", "seed: -1", "seed"},
		"recorded":  {"recorded: 20", "recorded: ", "RFC 3339"},
		"committed": {"committed: 20", "committed: ", "RFC 3339"},
		"repeat":    {"repeat: 1", "repeat: 0", "twice"},
		"repeats":   {"repeat: 1", "repeat: 99999999", "no number from 0"},
		"value":     {"1 insn/pkt", "NaN insn/pkt", "no measurement"},
		"below 0":   {"1 insn/pkt", "-1 insn/pkt", "not below 0"},
		"target":    {"target: exact", "target:", "no experiment or target"},
		"nothing":   {"Benchmark", "Nothing", "no trial"},
	} {
		text := strings.Replace(good.String(), tt.from, tt.to, 1)
		if name == "nothing" {
			text = strings.ReplaceAll(good.String(), "BenchmarkLB", "# LB")
		}
		if text == good.String() {
			t.Fatalf("%s: nothing is damaged in\n%s", name, text)
		}
		if _, err := read(strings.NewReader(text), "x.txt", map[string]string{}); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.txt") {
			t.Errorf("%s: error %v, want the file and %q", name, err, tt.want)
		}
	}
}

// TestAdd: a commit has one file with all its runs, a run that is there is not replaced unasked, two writers lose nothing, and a damaged file
// stays.
func TestAdd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	e := invented(1, 1, 1, harness.TargetExact, func(int, int, int) float64 { return 1 })[0]
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			r := e.Runs[0]
			r.Seed = uint64(i)
			errs[i] = Add(dir, Entry{Commit: e.Commit}, r, false)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	got, _, err := Open(dir)
	if err != nil || len(got) != 1 || len(got[0].Runs) != 8 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if err := Add(dir, e, e.Runs[0], false); !errors.Is(err, ErrThere) {
		t.Errorf("a run twice: %v", err)
	}
	if err := Add(dir, e, e.Runs[0], true); err != nil {
		t.Error(err)
	}
	if err := Add(dir, Entry{Commit: "abc"}, e.Runs[0], false); err == nil {
		t.Error("a short hash is taken")
	}
	bad := filepath.Join(dir, commit(7)+ext)
	if err := os.WriteFile(bad, []byte("commit: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), commit(7)) || len(got) != 1 {
		t.Errorf("%d entries beside a damaged file, %v", len(got), err)
	}
	if err := Add(dir, Entry{Commit: commit(7)}, e.Runs[0], true); err == nil {
		t.Error("a damaged file is written over")
	}
}

// TestPlantedSteps: 50 steps of 0.5 % and more in exact series are found at their commits, the newest too, and nowhere else.
func TestPlantedSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const commits, cells = 100, 50
	at, size := make([]int, cells), make([]float64, cells)
	for k := range cells {
		at[k], size[k] = 1+rng.IntN(commits-1), (0.0051+0.02*rng.Float64())*float64(1-2*rng.IntN(2))
	}
	at[0] = commits - 1
	entries := invented(commits, cells, 5, harness.TargetExact, func(c, k, r int) float64 {
		v := 1500 + 40*float64(k) + float64(r) + 0.002*rng.NormFloat64()
		if c >= at[k] {
			v *= 1 + size[k]
		}
		return v
	})
	found := 0
	for _, c := range line(entries).Changes(Options{}) {
		if c.Since != c.At-1 {
			t.Errorf("a change between %d and %d", c.Since, c.At)
		}
		for _, s := range c.Steps {
			var k int
			if _, err := fmt.Sscanf(s.Cell[strings.LastIndex(s.Cell, "=v"):], "=v%d", &k); err != nil {
				t.Fatal(err)
			}
			if at[k] != c.At || math.Abs(s.Effect-size[k]) > 0.0005 || (s.Way > 0) != (size[k] < 0) {
				t.Errorf("series %d: %+.4f at %d (way %d), planted %+.4f at %d", k, s.Effect, c.At, s.Way, size[k], at[k])
				continue
			}
			found++
		}
	}
	if found != cells {
		t.Errorf("%d of %d steps found", found, cells)
	}
}

// TestNoAlarm: 200 commits without effect give no change: series that repeat, series that stray by some of 5,300 instructions from one binary
// to the next, and series that any change of the binary throws about.
func TestNoAlarm(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 5))
		var stray [40]float64
		last := -1
		entries := invented(200, 40, 5, harness.TargetExact, func(c, k, r int) float64 {
			if c != last {
				last = c
				for i := range stray {
					stray[i] = rng.NormFloat64()
				}
			}
			switch {
			case k < 20:
				return 1500 + float64(r)
			case k < 35:
				return 5300 + 6*stray[k] + 3*rng.NormFloat64()
			}
			return 100 * math.Exp(0.15*stray[k]+0.2*rng.NormFloat64())
		})
		for _, c := range line(entries).Changes(Options{}) {
			t.Errorf("seed %d: at %d: %+v", seed, c.At, c.Steps)
		}
	}
}

// TestOnePair: one trial at each of two commits decides nothing; a constant series of single trials before a step does.
func TestOnePair(t *testing.T) {
	steps := func(commits int) int {
		at := commits - 1
		value := func(c, k, r int) float64 { return 1000 + 100*float64(c/at) }
		return len(line(invented(commits, 1, 1, harness.TargetExact, value)).Changes(Options{}))
	}
	if two, more := steps(2), steps(6); two != 0 || more != 1 {
		t.Errorf("%d steps of two trials, %d of six; want 0 and 1", two, more)
	}
}

// TestNoisy: on host a step of a tenth in series that vary by 3 % is found within three commits; noise is not.
func TestNoisy(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	entries := invented(100, 30, 5, harness.TargetHost, func(c, k, r int) float64 {
		v := 1000 * math.Exp(0.03*rng.NormFloat64())
		if k < 10 && c >= 60 {
			v *= 1.1
		}
		return v
	})
	found := 0
	for _, c := range line(entries).Changes(Options{}) {
		for _, s := range c.Steps {
			if c.At < 57 || c.At > 63 || s.Effect < 0.06 || s.Effect > 0.14 || s.Way != -1 {
				t.Errorf("at %d: %+v", c.At, s)
				continue
			}
			found++
		}
	}
	if found != 10 {
		t.Errorf("%d of 10 steps found", found)
	}
}

// TestEnvironment: a step at a commit with another kernel names the kernel; machines stay apart; what vanished is named.
func TestEnvironment(t *testing.T) {
	entries := invented(6, 2, 2, harness.TargetExact, func(c, k, r int) float64 { return 1000 + 100*float64(c/3) })
	for i := 3; i < 6; i++ {
		entries[i].Runs[0].Kernel = "7.3"
	}
	delete(entries[5].Runs[0].Values, Series{"LB/workload=pps/class=nat/variant=v1", "insn/pkt"})
	other := entries[2].Runs[0]
	other.CPU = "another"
	other.Values = map[Series][]float64{}
	other.put(Series{"LB/workload=pps/class=nat/variant=v0", "insn/pkt"}, 0, 5)
	entries[2].Runs = append(entries[2].Runs, other)
	got := line(entries).Changes(Options{})
	if len(got) != 2 || got[0].At != 5 || len(got[0].Vanished) != 1 || len(got[0].Steps) != 0 || got[1].At != 3 || len(got[1].Steps) != 2 ||
		!slices.Equal(got[1].Environment, []string{"kernel 7.2 → 7.3"}) {
		t.Errorf("%+v", got)
	}
}

// TestAsked: a series has vanished where a run lacks it that was asked for the same, and not where a run was asked for less.
func TestAsked(t *testing.T) {
	entries := invented(4, 2, 2, harness.TargetExact, func(int, int, int) float64 { return 1000 })
	for _, i := range []int{1, 3} {
		delete(entries[i].Runs[0].Values, Series{"LB/workload=pps/class=nat/variant=v1", "insn/pkt"})
	}
	entries[1].Runs[0].Asked = "--variants v0"
	got := line(entries).Changes(Options{})
	if len(got) != 1 || got[0].At != 3 || got[0].Since != 2 || len(got[0].Vanished) != 1 {
		t.Errorf("%+v", got)
	}
	entries[3].Runs[0].Asked = "--variants v0"
	if got := line(entries).Changes(Options{}); len(got) != 0 {
		t.Errorf("nothing vanished: %+v", got)
	}
	command := []string{"kxlab", "run", "lb", "--target", "exact", "--workload", "pps", "--axis=flows=64", "--variants", "a,b", "--repeat", "5", "--axis"}
	if got := asked(command); got != "--workload pps --axis=flows=64 --variants a,b --axis" {
		t.Errorf("asked %q", got)
	}
}

// TestRenamed: a new cell with all figures of one that vanished is named beside it, and not if two have them or one digit differs.
func TestRenamed(t *testing.T) {
	const cell = "LB/workload=pps/class=nat/variant="
	try := func(names ...string) Change {
		entries := invented(2, 3, 2, harness.TargetExact, func(c, k, r int) float64 { return float64(1000*k + r) })
		r := entries[1].Runs[0]
		old := Series{cell + "v1", "insn/pkt"}
		for _, name := range names {
			r.Values[Series{cell + name, "insn/pkt"}] = slices.Clone(r.Values[old])
		}
		delete(r.Values, old)
		if len(names) == 1 && names[0] == "other" {
			r.Values[Series{cell + "other", "insn/pkt"}][1]++
		}
		got := line(entries).Changes(Options{})
		if len(got) != 1 || len(got[0].Vanished) != 1 {
			t.Fatalf("%+v", got)
		}
		return got[0]
	}
	if got := try("new").Renamed; len(got) != 1 || got[cell+"v1"] != cell+"new" {
		t.Errorf("renamed %v", got)
	}
	for _, names := range [][]string{nil, {"other"}, {"new", "two"}} {
		if got := try(names...).Renamed; len(got) != 0 {
			t.Errorf("%q: renamed %v", names, got)
		}
	}
}

// TestLines: the order of commits decides, not their clocks; what is not on the line is named.
func TestLines(t *testing.T) {
	entries := invented(4, 1, 1, harness.TargetExact, func(int, int, int) float64 { return 1 })
	entries[2].Committed = entries[0].Committed.Add(-time.Hour)
	order := func(l Line) (out []string) {
		for _, e := range l.Entries {
			out = append(out, strings.TrimPrefix(e.Subject, "commit "))
		}
		return out
	}
	l := ByTime([]Entry{entries[3], entries[2], entries[1], entries[0]})
	if got := order(l); !slices.Equal(got, []string{"0", "1", "2", "3"}) || len(l.Remarks) != 1 {
		t.Errorf("by time: %v, %q", got, l.Remarks)
	}
	l = Along(entries, []string{commit(0), commit(9), commit(8), commit(3), commit(1)})
	if got := order(l); !slices.Equal(got, []string{"0", "3", "1"}) || !slices.Equal(l.Place, []int{0, 3, 4}) || len(l.Remarks) != 2 {
		t.Errorf("along: %v at %v, %q", got, l.Place, l.Remarks)
	}
}

// BenchmarkHistory reads and searches 1,000 commits with 500 cells of two repeats.
func BenchmarkHistory(b *testing.B) {
	dir := b.TempDir()
	for _, e := range invented(1000, 500, 2, harness.TargetExact, func(c, k, r int) float64 { return float64(1000 + k + r + c/500*100) }) {
		f, err := os.Create(filepath.Join(dir, e.Commit+ext))
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(e.Write(f), f.Close()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		entries, _, err := Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		if changes := ByTime(entries).Changes(Options{}); len(changes) != 1 || changes[0].At != 500 || len(changes[0].Steps) != 500 {
			b.Errorf("%d changes", len(changes))
		}
	}
}
