// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
)

func TestParseWrk(t *testing.T) {
	const says = "Running 10m test @ http://127.0.0.1:8080/page\n  6 requests in 1.20ms, 1.04MB read\n" +
		"all\t6\t1200\t3\t1\ntook\t100\t3\ntook\t300\t2\n"
	r, err := parseWrk(says, 3)
	want := wrkReport{requests: 6, failed: 4, elapsed: 1200 * time.Microsecond}
	if p50, p99 := r.latency.Quantile(0.5), r.latency.Quantile(0.99); p50 != 100e-6 || p99 != 2 || r.latency.N != 6 {
		t.Errorf("%+v: %v, %v", r.latency, p50, p99)
	}
	// One of the six requests took 2 s or more, and p99 with it.
	latencies := []harness.Metric{{Unit: "p50-sec", Value: 100e-6}, {Unit: "p99-sec", Value: 2, Beyond: true}}
	if diff := cmp.Diff(latencies, r.metrics()[:2]); diff != "" {
		t.Error(diff)
	}
	r.latency = load.Distribution{}
	if diff := cmp.Diff(want, r, cmp.AllowUnexported(wrkReport{})); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{"", "unable to connect to 127.0.0.1:8080 Connection refused\n", "all\tx\t1\t0\t0\n", "all\t9\t0\t0\t0\n",
		"all\t2\t900\t0\t0\ntook\t100\t1\n", "all\t1\t900\t0\t0\ntook\tx\n",
		"all\t8\t400\t0\t0\ntook\t200\t5\ntook\t150\t1\ntook\t110\t6\n"} {
		if r, err := parseWrk(bad, 1); err == nil {
			t.Errorf("%q gave %+v", bad, r)
		}
	}
}

// TestRemoveCorrection: the requests that wrk adds are removed again, for any distribution.
func TestRemoveCorrection(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		const average = 50
		saw := map[int64]int64{}
		for range 300 {
			saw[1+random.Int64N(40)*random.Int64N(40)]++
		}
		says := maps.Clone(saw)
		for at, n := range saw { // stats_correct of wrk's stats.c
			for m := at - average; at >= 2*average && m > average; m -= average {
				says[m] += n
			}
		}
		if maps.Equal(says, saw) {
			t.Fatal("nothing was added")
		}
		removeCorrection(says, average)
		maps.DeleteFunc(says, func(_, n int64) bool { return n == 0 })
		if diff := cmp.Diff(saw, says); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestParseHackbench(t *testing.T) {
	d, err := parseHackbench("Running in process mode with 1 groups\nEach sender will pass 20 messages of 100 bytes\nTime: 0.058\n")
	if err != nil || d != 58*time.Millisecond {
		t.Error(d, err)
	}
	for _, bad := range []string{"", "Time: none\n", "Time: 0.000\n"} {
		if d, err := parseHackbench(bad); err == nil {
			t.Errorf("%q gave %v", bad, d)
		}
	}
}

func TestParseStress(t *testing.T) {
	ops, err := parseStress(`stress-ng: info:  [158] dispatching hogs: 1 pipe, 1 futex
stress-ng: metrc: [158] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [158]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)
stress-ng: metrc: [158] pipe               2000      0.02      0.01      0.03     86110.31       46523.53
stress-ng: metrc: [158] futex               500      0.05      0.00      0.02     27595.19       26796.72
stress-ng: metrc: [158] miscellaneous metrics:
stress-ng: metrc: [158] pipe                  44.06 MB per sec pipe write rate (geometic mean of 1 instances)
stress-ng: info:  [158] successful run completed in 0.04s
`)
	if err != nil || ops != 2500 {
		t.Error(ops, err)
	}
	if _, err := parseStress("stress-ng: info:  [1] successful run\n"); err == nil {
		t.Error("no table was taken for one")
	}
}

const cyclictestSays = `ERROR: shm_open No such file or directory
# /dev/cpu_dma_latency set to 0us
# Histogram
000000 000000	000001
000001 000000	000000
000002 000047	000050
# Total: 000047 000051
# Min Latencies: 00002 00000
# Avg Latencies: 00002 00002
# Max Latencies: 12345 00678
# Histogram Overflows: 00001 00001
# Thread 0: 04 05
`

// A quantile beyond the histogram is not the histogram's end, but more than it.
func TestParseCyclictest(t *testing.T) {
	r, err := parseCyclictest(cyclictestSays)
	if err != nil || r.over != 2 || len(r.histogram) != 3 || r.histogram[0] != 1 || r.histogram[2] != 97 || r.max != 12345 || r.wakes() != 100 {
		t.Fatal(r, err)
	}
	type quantile struct {
		us     float64
		beyond bool
	}
	silent := r
	silent.max = 0
	for _, tt := range []struct {
		r    cyclicReport
		p    float64
		want quantile
	}{
		{r, 0, quantile{0, false}}, {r, 0.005, quantile{0, false}}, {r, 0.5, quantile{2, false}}, {r, 0.98, quantile{2, false}},
		{r, 0.99, quantile{2, true}}, {r, 1, quantile{12345, false}}, {silent, 1, quantile{2, true}},
		{cyclicReport{histogram: []int{0, 0}, over: 3, max: 7}, 0.5, quantile{1, true}},
		{cyclicReport{histogram: []int{0, 1}, max: 1}, 1, quantile{1, false}},
	} {
		if us, beyond := tt.r.quantile(tt.p); (quantile{us, beyond}) != tt.want {
			t.Errorf("%+v: quantile %v is %v, beyond %v; want %+v", tt.r, tt.p, us, beyond, tt.want)
		}
	}
	want := []harness.Metric{{Unit: "p50-sec", Value: 2e-6}, {Unit: "p99-sec", Value: 2e-6, Beyond: true}, {Unit: "max-sec", Value: 0.012345}}
	if diff := cmp.Diff(want, r.metrics()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"# Histogram\n", "000000 1\n# Max Latencies: x\n", "000000 1\n# Max Latencies:\n", "000000 1\n# Histogram Overflows: 1 x\n"} {
		if r, err := parseCyclictest(bad); err == nil {
			t.Errorf("%q gave %+v", bad, r)
		}
	}
}

func TestParseSchedstat(t *testing.T) {
	waited, runs, err := parseSchedstat([]byte("version 17\ntimestamp 4294892573\n" +
		"cpu0 0 0 0 0 0 0 718927446 121625814 459\ndomain0 MC 3 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 388778922 342173105 482\n"))
	if err != nil || waited != 463798919 || runs != 941 {
		t.Error(waited, runs, err)
	}
	if _, _, err := parseSchedstat([]byte("version 17\n")); err == nil {
		t.Error("no CPU was taken")
	}
	if n, err := parseSwitches([]byte("cpu 1 2\nctxt 4711\nbtime 3\n")); err != nil || n != 4711 {
		t.Error(n, err)
	}
	if n, ok := parseInvoluntary([]byte("Name:\tx\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n")); !ok || n != 7 {
		t.Error(n, ok)
	}
}

func TestFairness(t *testing.T) {
	for _, tt := range []struct {
		what   string
		runs   []float64
		pinned bool
		e, p10 float64
	}{
		{"by weight", []float64{1586, 3121, 6100, 1586, 3121, 6100}, true, 0, 1},
		{"by weight, one CPU slower", []float64{1586, 3121, 6100, 793, 1560.5, 3050}, true, 0, 0.5 / 0.75},
		{"all alike", []float64{1, 1, 1}, false, 10807.0/3/1586 - 1, 1 / 6100.0 / ((1/1586.0 + 1/3121.0 + 1/6100.0) / 3)},
		{"one starves", []float64{0, 3121, 6100}, false, 1, 0},
	} {
		e, p10 := fairness(tt.runs, tt.pinned)
		if math.Abs(e-tt.e) > 1e-9 || math.Abs(p10-tt.p10) > 1e-9 {
			t.Errorf("%s: error %v, want %v; p10 %v, want %v", tt.what, e, tt.e, p10, tt.p10)
		}
	}
	if e, _ := fairness([]float64{0, 0, 0}, false); !math.IsNaN(e) {
		t.Errorf("nobody ran: error %v", e)
	}
}

const formatSays = `name: sched_switch
ID: 301
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:char prev_comm[16];	offset:8;	size:16;	signed:0;
	field:pid_t prev_pid;	offset:24;	size:4;	signed:1;
	field:char next_comm[16];	offset:40;	size:16;	signed:0;
	field:pid_t next_pid;	offset:56;	size:4;	signed:1;

print fmt: "x"
`

// record is a sample of the buffer: a switch to a task at a time.
func switchRecord(at uint64, comm string, pid uint32) []byte {
	b := make([]byte, 8+8+4+64)
	binary.NativeEndian.PutUint32(b, unix.PERF_RECORD_SAMPLE)
	binary.NativeEndian.PutUint16(b[6:], uint16(len(b)))
	binary.NativeEndian.PutUint64(b[8:], at)
	binary.NativeEndian.PutUint32(b[16:], 64)
	copy(b[20+40:], comm)
	binary.NativeEndian.PutUint32(b[20+56:], pid)
	return b
}

func TestParseTurns(t *testing.T) {
	layout, err := parseFormat(formatSays, "next_comm", "next_pid")
	if err != nil || layout["next_comm"] != 40 || layout["next_pid"] != 56 {
		t.Fatal(layout, err)
	}
	if _, err := parseFormat(formatSays, "next_tgid"); err == nil {
		t.Error("a field that is not there was found")
	}
	raw := append(switchRecord(1000, "weight1", 7), switchRecord(5000, "swapper/0", 0)...)
	raw = append(raw, switchRecord(6000, "kworker", 9)...)
	raw = append(raw, switchRecord(7000, "weight2", 8)...)
	turns, err := parseTurns(raw, 0, layout)
	if err != nil || len(turns) != 3 || turns[0] != (turn{0, "weight1", 7, 1000, 5000}) {
		t.Fatalf("%+v, %v", turns, err)
	}
	series := timelineOf(turns, 5500*time.Nanosecond)
	if len(series) != 2 || series[0].Name != "timeline 0 weight1" || series[0].Y[0] != 4e-6 || series[1].Name != "timeline 0 other" || series[1].X[0] != 5e-6 {
		t.Errorf("%+v", series)
	}
	if series := timelineOf(turns, 3*time.Microsecond); len(series) != 1 || series[0].Y[0] != 3e-6 {
		t.Errorf("the turns of 3 µs: %+v", series)
	}
	lost := switchRecord(1, "x", 1)
	binary.NativeEndian.PutUint32(lost, unix.PERF_RECORD_LOST)
	if _, err := parseTurns(lost, 0, layout); err == nil {
		t.Error("lost switches were overlooked")
	}
	if _, err := parseTurns(raw[:len(raw)-3], 0, layout); err == nil {
		t.Error("a record that is cut off was taken")
	}
}

func TestMaxPerBucket(t *testing.T) {
	x, y := maxPerBucket([]float64{0.001, 0.009, 0.011, 0.05}, []float64{1, 3, 2, 5}, 0.01)
	if len(x) != 3 || y[0] != 3 || y[1] != 2 || y[2] != 5 || math.Abs(x[2]-0.055) > 1e-9 {
		t.Error(x, y)
	}
}

func TestParseNetstat(t *testing.T) {
	const raw = "TcpExt: SyncookiesSent TCPOrigDataSent Last\nTcpExt: 1 22 3\nIpExt: InNoRoutes\nIpExt: 7\n"
	if n, err := parseNetstat([]byte(raw), "TcpExt:", "TCPOrigDataSent"); err != nil || n != 22 {
		t.Error(n, err)
	}
	if n, err := parseNetstat([]byte(raw), "IpExt:", "InNoRoutes"); err != nil || n != 7 {
		t.Error(n, err)
	}
	for _, bad := range []string{"", "TcpExt: TCPOrigDataSent\n", "TcpExt: TCPOrigDataSent\nTcpExt:\n", "TcpExt: Other\nTcpExt: 1\n"} {
		if n, err := parseNetstat([]byte(bad), "TcpExt:", "TCPOrigDataSent"); err == nil {
			t.Errorf("%q gave %d", bad, n)
		}
	}
}

// More CPU time than there is cannot have been used in the window.
func TestExplainExcess(t *testing.T) {
	var w webWindow
	w.begin.at = time.Unix(1, 0)
	w.end.at = w.begin.at.Add(time.Second)
	w.end.web, w.end.batch = 600*time.Millisecond, 410*time.Millisecond
	if why := w.explainExcess(1); why != "" {
		t.Error(why)
	}
	w.end.web = 700 * time.Millisecond
	if w.explainExcess(1) == "" {
		t.Error("1.11 s of CPU time in a second were taken")
	}
	if why := w.explainExcess(2); why != "" {
		t.Error(why)
	}
}
