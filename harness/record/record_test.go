// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

// testEnv is a made-up run: nothing in it was measured.
func testEnv() Env {
	return Env{
		Experiment: "lb", Target: "host", Kernel: "0.0-test", CPU: "made-up CPU", Plan: 4, Seed: 7,
		Variants: []harness.Variant{{Name: "a", Class: "nat"}},
		Workloads: []harness.WorkloadSpec{{Name: "pps",
			Axes:    []harness.Axis{{Name: "services", Values: []string{"1"}}},
			Metrics: []harness.MetricSpec{{Unit: "pkt/s", Better: "higher"}, {Unit: "cpu-ns/pkt", Better: "lower"}},
		}},
	}
}

func testTrial(repeat int) harness.Trial {
	return harness.Trial{
		Cell: harness.Cell{Experiment: "lb", Workload: "pps", Class: "nat", Variant: "a",
			Axes: []harness.AxisValue{{Name: "services", Value: "1"}}},
		Repeat: repeat, Order: 3 * repeat, Seed: uint64(100 + repeat),
		Start: time.Date(2026, 1, 2, 3, 4, repeat, 0, time.UTC),
		Result: harness.Result{Iterations: 1000, Measured: time.Second,
			Metrics: []harness.Metric{{Unit: "pkt/s", Value: 7.1e6 + float64(repeat)}, {Unit: "cpu-ns/pkt", Value: 140.5}},
			Series:  []harness.Series{{Name: "rate", Unit: "pkt/s", X: []float64{1}, Y: []float64{2}}},
		},
	}
}

func create4(t *testing.T) (*Writer, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, dir
}

func TestRoundTrip(t *testing.T) {
	w, dir := create4(t)
	var want []harness.Trial
	for i := range 3 {
		tr := testTrial(i)
		tr.Result.Metrics[1].Beyond = i == 1 // of one unit in one trial
		if err := w.Trial(tr); err != nil {
			t.Fatal(err)
		}
		want = append(want, tr)
	}
	bad := testTrial(3)
	bad.Result.Invalid = "lost packets"
	for _, err := range []error{w.Trial(bad), w.Outcome(CellOutcome{Cell: bad.Cell.BenchName(), Outcome: harness.OutcomeNotSupported, Reason: "no IPVS"}), w.Note("said %d", 1),
		w.Gate(Gate{Variant: "a", Passed: true}), w.Steal(time.Second), w.Finish()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Trials); diff != "" {
		t.Errorf("trials (-want +got):\n%s", diff)
	}
	if !r.Env.Complete || r.State() != "complete" || len(r.Remarks) != 0 {
		t.Errorf("complete %v, state %q, remarks %q", r.Env.Complete, r.State(), r.Remarks)
	}
	if len(r.Env.Outcomes) != 1 || len(r.Env.Rejected) != 1 || r.Env.Rejected[0].Reason != "lost packets" {
		t.Errorf("outcomes %v, rejected %v", r.Env.Outcomes, r.Env.Rejected)
	}
	text, _ := os.ReadFile(filepath.Join(dir, benchFile))
	wantText := fmt.Sprintf(`goos: %s
goarch: %s
cpu: made-up CPU
kernel: 0.0-test
target: host
experiment: lb
Unit pkt/s better=higher
Unit cpu-ns/pkt better=lower

BenchmarkLB/workload=pps/class=nat/variant=a/services=1 1000 7.1e+06 pkt/s 140.5 cpu-ns/pkt
BenchmarkLB/workload=pps/class=nat/variant=a/services=1 1000 7.100001e+06 pkt/s 140.5 cpu-ns/pkt
BenchmarkLB/workload=pps/class=nat/variant=a/services=1 1000 7.100002e+06 pkt/s 140.5 cpu-ns/pkt
`, runtime.GOOS, runtime.GOARCH)
	if diff := cmp.Diff(wantText, string(text)); diff != "" {
		t.Errorf("bench.txt (-want +got):\n%s", diff)
	}
}

// A kill is any prefix of what was written, with env.json as of any earlier moment: every one must be readable and
// must say that it is incomplete.
func TestEveryPrefixIsReadable(t *testing.T) {
	w, dir := create4(t)
	env, err := os.ReadFile(filepath.Join(dir, EnvFile)) // the first env.json
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := w.Trial(testTrial(i)); err != nil {
			t.Fatal(err)
		}
	}
	bench, _ := os.ReadFile(filepath.Join(dir, benchFile))
	samples, _ := os.ReadFile(filepath.Join(dir, samplesFile))
	for n := range len(bench) + 1 {
		r, err := open(fstest.MapFS{EnvFile: {Data: env}, samplesFile: {Data: samples}, benchFile: {Data: bench[:n]}})
		if err != nil {
			t.Fatalf("%d bytes of bench.txt: %v", n, err)
		}
		if r.Env.Complete || !strings.HasPrefix(r.State(), "incomplete") {
			t.Fatalf("%d bytes of bench.txt: state %q", n, r.State())
		}
	}
	for n := range len(samples) + 1 {
		if _, err := open(fstest.MapFS{EnvFile: {Data: env}, samplesFile: {Data: samples[:n]}}); err != nil {
			t.Fatalf("%d bytes of samples.jsonl: %v", n, err)
		}
	}
}

// TestNoGates: a run that says that it is complete, and of no gate, is refused.
func TestNoGates(t *testing.T) {
	w, dir := create4(t)
	if err := errors.Join(w.Trial(testTrial(0)), w.Finish()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "no gate") {
		t.Error(err)
	}
}

func TestOpenTellsApart(t *testing.T) {
	w, dir := create4(t)
	cell := testTrial(0).Cell.BenchName()
	if err := errors.Join(w.Gate(Gate{Variant: "a", Passed: true}), w.Trial(testTrial(0)), w.Reject(testTrial(1), "stolen"),
		w.Outcome(CellOutcome{Cell: cell, Outcome: harness.OutcomeMeasured}), w.Finish()); err != nil {
		t.Fatal(err)
	}
	good := fstest.MapFS{}
	for _, n := range []string{EnvFile, benchFile, samplesFile} {
		data, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		good[n] = &fstest.MapFile{Data: data}
	}
	edit := func(name, old, new string) fstest.MapFS {
		m := fstest.MapFS{}
		for k, v := range good {
			m[k] = v
		}
		text := string(good[name].Data)
		if !strings.Contains(text, old) {
			t.Fatalf("%s does not hold %q", name, old)
		}
		m[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, old, new, 1))}
		return m
	}
	tests := []struct {
		name string
		fs   fstest.MapFS
		want error
	}{
		{"empty", fstest.MapFS{}, errNotRun},
		{"foreign env.json", fstest.MapFS{EnvFile: {Data: []byte(`{"name":"x"}`)}}, errNotRun},
		{"env.json no JSON", fstest.MapFS{EnvFile: {Data: []byte(`PATH=/bin`)}}, errNotRun},
		{"other schema", edit(EnvFile, `"schema": 1`, `"schema": 2`), errVersion},
		{"other schema of a sample", edit(samplesFile, `"schema":1`, `"schema":9`), errVersion},
		{"unknown key", edit(EnvFile, `"seed"`, `"sead"`), errDamaged},
		{"other kernel", edit(benchFile, "kernel: 0.0-test", "kernel: 9.9"), errDamaged},
		{"not a number", edit(benchFile, "140.5", "NaN"), errDamaged},
		{"broken name", edit(benchFile, "/class=nat", ""), errDamaged},
		{"foreign line", edit(benchFile, "BenchmarkLB/workload=pps/class=nat/variant=a/services=1 1000", "BenchmarkLB x"), errDamaged},
		{"a trial gone", edit(benchFile, "BenchmarkLB", "#"), errDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := open(tt.fs); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	pair := t.TempDir() // as kxlab ab leaves it
	for _, side := range []string{"a", "b"} {
		if err := errors.Join(os.Mkdir(filepath.Join(pair, side), 0o755), os.WriteFile(filepath.Join(pair, side, EnvFile), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(pair); !errors.Is(err, errNotRun) || !strings.Contains(err.Error(), "name one of the runs in it: a, b") {
		t.Errorf("the folder of a pair: %v", err)
	}
	for _, tt := range []struct{ name, old, new, says string }{
		{"a negative plan", `"plan": 4`, `"plan": -5`, "plan is -5"},
		{"more done than planned", `"done": 1`, `"done": 5`, "done is 5, more than"},
		{"a negative time", `"total_sec": `, `"total_sec": -`, "total_sec is -"},
		{"no gate passed", `"passed": true`, `"passed": false`, "trials of a, env.json has no gate that it passed"},
		{"the gate of another variant", `"variant": "a"`, `"variant": "b"`, `gate of "b"`},
		{"an outcome that there is not", `"outcome": "measured"`, `"outcome": "fine"`, `is "fine"`},
		{"the outcome of no cell", `"outcomes": [
    {
      "cell": "LB`, `"outcomes": [
    {
      "cell": "BL`, "outcome: name"},
		{"a negative repeat", `"repeat": 1`, `"repeat": -1`, "repeat -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := open(edit(EnvFile, tt.old, tt.new)); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %q in it", err, tt.says)
			}
		})
	}
	if _, err := open(good); err != nil {
		t.Errorf("the run itself: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "nowhere")); !errors.Is(err, errNotRun) || !strings.Contains(err.Error(), "no such folder; name one that kxlab run wrote") {
		t.Errorf("no directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, EnvFile)); !errors.Is(err, errNotRun) {
		t.Errorf("a file: %v", err)
	}
}

func TestClashAndNotEmpty(t *testing.T) {
	w, dir := create4(t)
	if _, err := Create(dir, testEnv()); !errors.Is(err, errBusy) {
		t.Errorf("second writer: %v", err)
	}
	w.Close()
	if _, err := Create(dir, testEnv()); !errors.Is(err, errNotEmpty) {
		t.Errorf("after the first: %v", err)
	}
	if r, err := Open(dir); err != nil || r.Env.Complete {
		t.Errorf("closed without Finish: %v", err)
	}
	left := filepath.Join(t.TempDir(), "x")
	os.MkdirAll(left, 0o755)
	os.WriteFile(filepath.Join(left, tempPrefix+EnvFile), []byte("{"), 0o644)
	w, err := Create(left, testEnv())
	if err != nil {
		t.Errorf("what a killed Create leaves: %v", err)
	} else {
		w.Close()
	}
}

func TestRefusesBadTrials(t *testing.T) {
	w, _ := create4(t)
	tests := map[string]func(*harness.Trial){
		"unit":    func(tr *harness.Trial) { tr.Result.Metrics[0].Unit = "furlong/s" },
		"space":   func(tr *harness.Trial) { tr.Result.Metrics[0].Unit = "pkt /s" },
		"NaN":     func(tr *harness.Trial) { tr.Result.Metrics[0].Value = math.NaN() },
		"below 0": func(tr *harness.Trial) { tr.Result.Metrics[0].Value = -1 },
		"tiny":    func(tr *harness.Trial) { tr.Result.Metrics[0].Value = 1e-320 },
		"huge":    func(tr *harness.Trial) { tr.Result.Metrics[0].Value = 1e300 },
		"twice":   func(tr *harness.Trial) { tr.Result.Metrics[0] = tr.Result.Metrics[1] },
		"none":    func(tr *harness.Trial) { tr.Result.Metrics = nil },
		"digits":  func(tr *harness.Trial) { tr.Cell.Variant = "a-4" },
		"slash":   func(tr *harness.Trial) { tr.Cell.Axes[0].Value = "1/2" },
		"foreign": func(tr *harness.Trial) { tr.Cell.Experiment = "cc" },
	}
	for name, spoil := range tests {
		tr := testTrial(0)
		spoil(&tr)
		if err := w.Trial(tr); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, e := range []Env{{}, {Experiment: "lb", Target: "host", Kernel: "a\nb", CPU: "c"}} {
		if _, err := Create(filepath.Join(t.TempDir(), "r"), e); err == nil {
			t.Errorf("%+v: taken", e)
		}
	}
}

func FuzzOpen(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "run")
	w, err := Create(dir, testEnv())
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Trial(testTrial(0)); err != nil {
		f.Fatal(err)
	}
	w.Close()
	read := func(n string) []byte {
		b, _ := os.ReadFile(filepath.Join(dir, n))
		return b
	}
	f.Add(read(EnvFile), read(benchFile), read(samplesFile))
	f.Add([]byte(`{"tool":"kxlab","schema":1}`), []byte("BenchmarkLB 1 1 x\n"), []byte("{}\n"))
	f.Fuzz(func(t *testing.T, env, bench, samples []byte) {
		r, err := open(fstest.MapFS{EnvFile: {Data: env}, benchFile: {Data: bench}, samplesFile: {Data: samples}})
		if err != nil {
			return
		}
		for _, tr := range r.Trials {
			if err := checkCell(tr.Cell); err != nil {
				t.Errorf("read a cell that cannot be written: %v", err)
			}
			if _, err := ParseCell(r.Env.Experiment, tr.Cell.BenchName()); err != nil {
				t.Errorf("name does not read back: %v", err)
			}
		}
	})
}

// TestPartial: a run of some shards is never complete, and says of which it is.
func TestPartial(t *testing.T) {
	r := &Run{Env: Env{Partial: "2 of 3 shards", Plan: 15}}
	if got, want := r.State(), "partial: 2 of 3 shards, 0 of 15 trials"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Env.Complete = true
	if err := r.Env.check(); err == nil || !strings.Contains(err.Error(), "it is complete, and of 2 of 3 shards only") {
		t.Errorf("a partial run that is complete: %v", err)
	}
}
