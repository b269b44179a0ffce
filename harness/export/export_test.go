// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// nasty is text that each format has to escape.
const nasty = "say \"hi\", it's <b>&amp; C:\\n; ü 日本 {x=\"1\"} # 5 %"

// invented is two runs of one commit and one of another, with every kind of number that is missing.
func invented() []Run {
	nan := math.NaN()
	cell := func(variant, axes string) string {
		return "LB/workload=pps/class=nat/variant=" + variant + "/" + axes
	}
	exact := Run{Arch: "amd64",
		Commit: history.Entry{Commit: strings.Repeat("0123456789", 4), Parents: []string{strings.Repeat("ab", 20)}, Committed: time.Unix(1.7e9, 0).UTC(), Subject: nasty + "\nsecond line"},
		Run: history.Run{Setting: history.Setting{Experiment: "lb", Target: "exact", CPU: "QEMU " + nasty, Profile: "smoke", Seed: 7}, Kernel: "7.2", QEMU: "7.2.22",
			Lab: "x", Recorded: time.Unix(1.7e9+60, 0).UTC(), Better: map[string]int{"insn/pkt": -1, "pkt/s": 1, "lost-share": -1},
			Values: map[history.Series][]float64{
				{Cell: cell("xdp-nat", "flows=64"), Unit: "insn/pkt"}:    {1500.5, nan, 1502.25},
				{Cell: cell("xdp-nat", "flows=4096"), Unit: "insn/pkt"}:  {1642},
				{Cell: cell("xdp-nat", "flows=64"), Unit: "pkt/s"}:       {7e6, nan, 1e-9},
				{Cell: cell("xdp-nat", "flows=64"), Unit: "lost-share"}:  {0, nan, 0},
				{Cell: cell("xdp-nat", "flows=64"), Unit: "cpu-ns/conn"}: {nan, nan, -3},
			}},
		Missing: []Missing{
			{cell("xdp-nat", "flows=64"), "", 1, rejected, "steal time 12 %"}, {cell("xdp-nat", "flows=4096"), "p99-sec", 0, beyond, "the trial could measure up to 0.5"},
			{cell("ipvs", "flows=64"), "", -1, string(harness.OutcomeFailed), "gate: " + nasty + "\n\x00 and \xff more"},
			{cell("nft", "flows=64"), "", -1, string(harness.OutcomeNotSupported), "no flowtable"},
			{cell("nginx", "flows=64"), "", -1, string(harness.OutcomeInvalid), "no trial counted"},
			{cell("wrong", "flows=64"), "", -1, string(harness.OutcomeCaught), ""},
		}}
	host := exact
	host.Target, host.Seed, host.Arch = "host", 1, "arm64"
	host.Missing, host.Values = nil, map[history.Series][]float64{{Cell: cell("xdp-dsr", "services=1/flows=64"), Unit: "pkt/s"}: {5e6, 5.5e6}}
	bare := host
	bare.Commit, bare.QEMU, bare.Arch = history.Entry{}, "", ""
	bare.Values = map[history.Series][]float64{{Cell: cell("xdp-jet", "flows=1"), Unit: "insn/pkt"}: {900}}
	return []Run{exact, host, bare}
}

// values is how many numbers the invented runs have.
const values = 11

func exported(t *testing.T, format string, runs []Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, runs, Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGolden: each format is as it was, twice. Module readers reads the same files with the formats' own readers.
func TestGolden(t *testing.T) {
	for _, name := range Formats() {
		got, again := exported(t, name, invented()), exported(t, name, invented())
		if !bytes.Equal(got, again) {
			t.Errorf("%s: the same runs give other bytes", name)
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got), -update writes it anew:\n%s", name, diff)
		}
		if bytes.Contains(got, []byte("NaN")) {
			t.Errorf("%s: a value that is missing is a number", name)
		}
	}
}

// TestCSV: encoding/csv reads back each text and each number; what is missing has no value and an outcome.
func TestCSV(t *testing.T) {
	runs := invented()
	lines, err := csv.NewReader(bytes.NewReader(exported(t, "csv", runs))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range lines[0] {
		at[name] = i
	}
	numbers, sum := 0, 0.0
	outcomes := map[string]int{}
	for _, l := range lines[1:] {
		outcomes[l[at["outcome"]]]++
		if l[at["outcome"]] != string(harness.OutcomeMeasured) {
			if l[at["value"]] != "" {
				t.Errorf("%q has a value", l)
			}
			continue
		}
		v, err := strconv.ParseFloat(l[at["value"]], 64)
		if err != nil || l[at["cpu"]] != runs[0].CPU {
			t.Errorf("%q: %v", l, err)
		}
		numbers, sum = numbers+1, sum+v
	}
	if first := lines[1]; first[at["subject"]] != runs[0].Commit.Subject || first[at["axes"]] != "flows=4096" || first[at["better"]] != "lower" {
		t.Errorf("the first line is %q", first)
	}
	want := map[string]int{"measured": values, "rejected": 1, "beyond": 1, "failed": 1, "not supported": 1, "invalid": 1, "caught": 1}
	if diff := cmp.Diff(want, outcomes); diff != "" || numbers != values || math.Abs(sum-17505541.75) > 1e-6 {
		t.Errorf("%d numbers with the sum %v; outcomes (-want +got):\n%s", numbers, sum, diff)
	}
}

// TestBench: x/perf's reader, which benchstat uses, reads back each number, its commit and its better way.
func TestBench(t *testing.T) {
	r := benchfmt.NewReader(bytes.NewReader(exported(t, "benchfmt", invented())), "x")
	numbers := 0
	commits := map[string]int{}
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			numbers += len(rec.Values)
			commits[rec.GetConfig("commit")+rec.GetConfig("target")]++
			if rec.GetConfig("cpu") != invented()[0].CPU {
				t.Errorf("cpu %q", rec.GetConfig("cpu"))
			}
			if rec.GetConfig("commit") == "" && rec.GetConfig("subject") != "" {
				t.Errorf("the subject of another commit stands at %s", rec.Name)
			}
		}
	}
	if r.Err() != nil || numbers != values || len(commits) != 3 {
		t.Errorf("%d numbers, runs %v, %v", numbers, commits, r.Err())
	}
	if got := r.Units().GetBetter("pkt/s"); got != 1 {
		t.Errorf("better of pkt/s is %d", got)
	}
}

// TestTwice: formats that name a value by its cell and unit take each once; a name that another program does not take is an error.
func TestTwice(t *testing.T) {
	runs := invented()
	twice := []Run{runs[0], runs[0]}
	for _, name := range Formats() {
		if err := Write(io.Discard, name, twice, Options{}); !errors.Is(err, ErrTwice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := runs[0]
	later.Commit.Commit = strings.Repeat("c", 40)
	for name, want := range map[string]error{"csv": nil, "benchfmt": nil, "bencher": ErrTwice, "customSmallerIsBetter": ErrTwice} {
		if err := Write(io.Discard, name, []Run{runs[0], later}, Options{}); !errors.Is(err, want) {
			t.Errorf("%s of two commits: %v", name, err)
		}
	}
	var b bytes.Buffer
	if err := Write(&b, "openmetrics", runs[:1], Options{WithoutTimes: true}); err != nil || strings.Contains(b.String(), " 1700000000\n") {
		t.Errorf("times in samples of a run: %v\n%s", err, b.String())
	}
	long := invented()[:1]
	long[0].Values = map[history.Series][]float64{{Cell: "LB/workload=pps/class=nat/variant=v", Unit: strings.Repeat("u", 65)}: {1}}
	foreign := invented()[:1]
	foreign[0].Values = map[history.Series][]float64{{Cell: "Other", Unit: "u"}: {1}}
	for name, tt := range map[string]struct {
		format string
		runs   []Run
		o      Options
		want   string
	}{
		"origin":  {"kcidb", runs, Options{Origin: "My Lab"}, "small letters"},
		"format":  {"cvs", runs, Options{}, "did you mean"},
		"none":    {"customBiggerIsBetter", runs[2:], Options{}, "the other of the two"},
		"nothing": {"bencher", nil, Options{}, "nothing was measured"},
		"long":    {"bencher", long, Options{}, "64 of a unit's"},
		"foreign": {"csv", foreign, Options{}, "Other"},
	} {
		if err := Write(io.Discard, tt.format, tt.runs, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestOf: of a run directory, numbers are exported of trials that count only; bounds, rejected trials and cells without a number are missing.
func TestOf(t *testing.T) {
	cell := harness.Cell{Experiment: "lb", Workload: "pps", Class: "nat", Variant: "v"}
	twin := cell
	twin.Variant += harness.SuffixAA
	r := &record.Run{Env: record.Env{Complete: true, Experiment: "lb", Target: "exact", GOARCH: "amd64"}}
	r.Env.Outcomes = []record.CellOutcome{{Cell: cell.BenchName() + "/flows=1", Outcome: harness.OutcomeFailed, Reason: "gate"}, {Cell: cell.BenchName(), Outcome: harness.OutcomeMeasured}}
	r.Env.Rejected = []record.Rejected{{Cell: cell.BenchName(), Repeat: 1, Reason: "steal"}, {Cell: twin.BenchName(), Repeat: 0}}
	r.Trials = []harness.Trial{
		{Cell: cell, Result: harness.Result{Metrics: []harness.Metric{{Unit: "insn/pkt", Value: 5}, {Unit: "p99-sec", Value: 0.5, Beyond: true}}}},
		{Cell: twin, Result: harness.Result{Metrics: []harness.Metric{{Unit: "insn/pkt", Value: 6}}}},
	}
	got, err := Of(r, history.Entry{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{5}; len(got.Values) != 1 || !cmp.Equal(got.Values[history.Series{Cell: cell.BenchName(), Unit: "insn/pkt"}], want) {
		t.Errorf("values %v", got.Values)
	}
	want := []Missing{{cell.BenchName() + "/flows=1", "", -1, "failed", "gate"}, {cell.BenchName(), "", 1, rejected, "steal"}, {cell.BenchName(), "p99-sec", 0, beyond, "the trial could measure up to 0.5"}}
	if diff := cmp.Diff(want, got.Missing); diff != "" {
		t.Error(diff)
	}
	r.Trials = r.Trials[1:]
	if got, err := Of(r, history.Entry{}); err != nil || len(got.Values) != 0 || len(got.Missing) != 2 {
		t.Errorf("a run without numbers: %+v, %v", got, err)
	}
	r.Env.Complete = false
	if _, err := Of(r, history.Entry{}); err == nil || !strings.Contains(err.Error(), "incomplete") {
		t.Errorf("a run that ended early: %v", err)
	}
}

// TestAlong: of a history each run has its commit, in the order of the line.
func TestAlong(t *testing.T) {
	runs := invented()
	a, b := runs[0].Commit, history.Entry{Commit: strings.Repeat("b", 40)}
	a.Runs, b.Runs = []history.Run{runs[0].Run, runs[1].Run}, []history.Run{runs[2].Run}
	var text []string
	for _, r := range Along(history.Line{Entries: []history.Entry{a, b}}) {
		text = append(text, fmt.Sprint(r.Commit.Commit[:1], r.Target, len(r.Commit.Runs)))
	}
	if diff := cmp.Diff([]string{"0exact0", "0host0", "bhost0"}, text); diff != "" {
		t.Error(diff)
	}
}
