// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"math"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/packets"
)

// sound is a tally of 1,000 packets, all seen by version 1.
func sound() tally {
	t := tally{sent: 1000, count: abi.SwapCount{Next: 1000, Packets: 1000, Generation: 1}, seen: make([]abi.SwapSeen, abi.SwapGenerations)}
	t.seen[1].Packets = 1000
	return t
}

func TestFault(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*tally)
		want  string // in the fault; empty: none
	}{
		{"sound", func(*tally) {}, ""},
		{"nothing sent", func(t *tally) { *t = tally{seen: t.seen} }, "nothing was sent"},
		{"nothing came", func(t *tally) { t.count = abi.SwapCount{} }, "none of 1000 packets came"},
		{"one left out", func(t *tally) { t.count.Packets, t.count.Missing, t.seen[1].Packets = 999, 1, 999 }, "1 of 1000 packets lost"},
		{"the last lost", func(t *tally) { t.count.Packets, t.count.Next, t.seen[1].Packets = 999, 999, 999 }, "1 of 1000 packets lost"},
		{"no version", func(t *tally) { t.count.Neither, t.seen[1].Packets = 2, 998 }, "2 of 1000 packets seen by no version"},
		{"two versions", func(t *tally) { t.count.Both, t.seen[1].Packets = 3, 997 }, "3 of 1000 packets seen more than once"},
		{"a swapped pair", func(t *tally) { t.count.Missing, t.count.Late = 1, 1 }, "1 of 1000 packets late"},
		{"twice in the place of another", func(t *tally) { t.count.Missing, t.count.Again = 1, 1 }, "1 of 1000 packets lost"},
		{"another version", func(t *tally) { t.seen[1].Packets, t.seen[2].Packets = 990, 10 }, "10 of 1000 packets of another version than 1"},
		{"no version of ours", func(t *tally) { t.seen[1].Packets, t.count.Alien = 996, 4 }, "4 of 1000 packets of no generation"},
		{"more than sent", func(t *tally) { t.count.Next, t.count.Packets = 1001, 1001 }, "do not add up"},
		{"a full ring", func(t *tally) {
			t.count.Packets, t.count.Missing, t.seen[1].Packets = 990, 10, 990
			t.places = []packets.Loss{{Where: "ring: to the balancer, full", Count: 10}}
		}, ""},
		{"another place than a ring", func(t *tally) {
			t.count.Packets, t.count.Missing, t.seen[1].Packets = 990, 10, 990
			t.places = []packets.Loss{{Where: "qdisc", Count: 10}}
		}, "10 of 1000 packets lost"},
		{"a hole in the count", func(t *tally) { t.count.Packets = 990 }, "do not add up"},
	} {
		got := sound()
		tt.spoil(&got)
		why := got.fault(1)
		if tt.want == "" && why != "" || !strings.Contains(why, tt.want) {
			t.Errorf("%s: fault %q, want %q", tt.name, why, tt.want)
		}
	}
}

// metric returns a metric of a result, NaN if it has none.
func metric(r harness.Result, unit string) float64 {
	if m, ok := harness.Find(r.Metrics, func(m harness.Metric) bool { return m.Unit == unit }); ok {
		return m.Value
	}
	return math.NaN()
}

// TestResult: four replacements. The second was in force 5 µs after its call, in which the generator paused for 1 ms. The third got no
// packet, and the fourth was called while the generator paused.
func TestResult(t *testing.T) {
	got := sound()
	got.count.Neither, got.count.Both, got.count.Back = 100, 20, 3
	got.count.Packets, got.count.Missing = 990, 10
	got.sent = 1250 // of which rings had no room for 250
	got.places = []packets.Loss{{Where: "ring: into the sink", Count: 200}, {Where: "ring: to the balancer, full", Count: 50}}
	ms := uint64(1e6)
	for g, began := range []uint64{0, 0, 10 * ms, 20 * ms, 30 * ms, 40 * ms} {
		if g >= 2 {
			got.changes = append(got.changes, change{generation: uint32(g), began: began, took: 2000})
		}
	}
	got.seen[2] = abi.SwapSeen{Packets: 9, First: 10*ms + 7000, Last: 10*ms + 4000, Worst: 50_000}
	got.seen[3] = abi.SwapSeen{Packets: 9, First: 21*ms + 5000, Last: 20*ms + 1000, Paused: ms, Worst: 60_000}
	got.seen[5] = abi.SwapSeen{Packets: 9, First: 47 * ms, Last: 39 * ms, Paused: 7 * ms}
	r := got.result()
	if r.Invalid != "" {
		t.Errorf("invalid: %s", r.Invalid)
	}
	for unit, want := range map[string]float64{
		"served-share": 0.87, "lost-share": 0.01, "neither-share": 0.1, "both-share": 0.02, "late-share": 0.003, "full-share": 0.2, "starved-share": 0.5,
		"p50-call-sec": 2e-6, "p50-force-sec": 7e-6, "p99-force-sec": 7e-6, "p99-gap-sec": 4e-6, "p99-latency-sec": 60e-6,
	} {
		if got := metric(r, unit); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", unit, got, want)
		}
	}
	got.seen[3].Paused = 2 * ms // the pause hides when version 3 came into force
	if starved := metric(got.result(), "starved-share"); starved != 0.75 {
		t.Errorf("with a longer pause starved-share is %v", starved)
	}
	seen := got.seen
	got.seen = make([]abi.SwapSeen, len(seen))
	if r := got.result(); !strings.Contains(r.Invalid, "starved") {
		t.Errorf("a trial whose versions saw nothing: %q", r.Invalid)
	}
	got.seen = seen
	got.count.Missing = 0
	if r := got.result(); r.Invalid == "" {
		t.Error("a trial whose packets do not add up is valid")
	}
}
