// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/cilium/ebpf"
)

// A timing measures XDP programs alone: traffic/timing.bpf.c says how.
type timing struct {
	*ebpf.Collection
}

// newTiming loads the loop for frames of a family to service 0, or over all services. flows 0 means that every packet
// is a new flow.
func newTiming(tb testing.TB, frame []byte, family int, flows uint32) *timing {
	tb.Helper()
	spec, err := Open("traffic/timing")
	if err != nil {
		tb.Fatal(err)
	}
	var words [10]uint64
	for i := range words {
		words[i] = binary.NativeEndian.Uint64(frame[8*i:])
	}
	knobs := map[string]any{"frame": words, "flow_count": flows}
	if family == 6 {
		knobs["addr_at"], knobs["port_at"] = uint32(34), uint32(54)
	}
	for name, value := range knobs {
		if err := spec.Variables[name].Set(value); err != nil {
			tb.Fatal(err)
		}
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return &timing{c}
}

// run times n packets through the program: ns a packet by the kernel's own clock, without the system call, which waits
// for other CPUs. verdict is what the last packet got.
func (t *timing) run(tb testing.TB, p *ebpf.Program, n int) (ns float64, verdict uint32) {
	tb.Helper()
	if err := t.Maps["under_test"].Put(uint32(0), p); err != nil {
		tb.Fatal(err)
	}
	verdict, each, err := t.Programs["timing"].Benchmark(make([]byte, 80), n, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return float64(each.Nanoseconds()), verdict
}

// overhead is what the loop itself costs a packet, ns, the best of some.
func (t *timing) overhead(tb testing.TB) float64 {
	tb.Helper()
	best := math.Inf(1)
	for range 5 {
		ns, _ := t.run(tb, t.Programs["stub"], 1<<19)
		best = min(best, ns)
	}
	return best
}

// BenchmarkProgramAlone prints, as alone-ns/pkt, what a program costs a packet without generator, link and sink. The
// usual ns/op has the loop's own cost and the system call's in it.
func BenchmarkProgramAlone(b *testing.B) {
	type load struct {
		name    string
		entries uint32
		flows   uint32 // 0: each packet is new
		knobs   map[string]any
	}
	noGuard := map[string]any{"new_flows_max": uint32(0)}
	loads := []load{
		{"hit/entries=1M/flows=1", 1 << 20, 1, noGuard},
		{"hit/entries=1M/flows=4096", 1 << 20, 4096, noGuard},
		{"hit/entries=1M/flows=512000", 1 << 20, 512000, noGuard},
		{"new/entries=1M/inserted", 1 << 20, 0, noGuard},
		{"new/entries=1M/flood", 1 << 20, 0, map[string]any{"new_flows_max": uint32(1)}},
		{"hit/entries=64k/flows=4096", 1 << 16, 4096, noGuard},
		{"new/entries=64k/inserted", 1 << 16, 0, noGuard},
	}
	for _, object := range []string{"xdp_ipip", "xdp_jet", "xdp_dsr"} {
		for _, family := range []int{4, 6} {
			for _, l := range loads {
				b.Run(fmt.Sprintf("%s/ip=%d/%s", object, family, l.name), func(b *testing.B) {
					r := newRig(b, rigSpec{Object: "lb/" + object, Entries: l.entries, Knobs: l.knobs, Reals: 10,
						Flags: tenthTracked})
					benchAlone(b, r, family, l.flows)
				})
			}
		}
	}
	b.Run("xdp_tx/ip=4", func(b *testing.B) { benchAlone(b, newRig(b, rigSpec{Object: "lb/xdp_tx"}), 4, 1) })
}

// BenchmarkServices shows what the number of services costs, the flows held constant and all to the last service.
func BenchmarkServices(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 10000, 30000} {
		b.Run(fmt.Sprintf("xdp_ipip/services=%d", n), func(b *testing.B) {
			r := newRig(b, rigSpec{Object: "lb/xdp_ipip", Entries: 1 << 20, Services: n, Reals: 10})
			benchAlone(b, r, 4, 4096)
		})
	}
}

// tenthTracked marks one slot of a ring in ten, as one spare beside nine backends would.
func tenthTracked(slot int) uint16 {
	if slot%10 == 0 {
		return slotTrack | slotLook
	}
	return 0
}

func benchAlone(b *testing.B, r *rig, family int, flows uint32) {
	pin(b)
	bare := tcp(family).to(vip(family, max(r.spec.Services, 1)-1), 80)
	bare.payload = nil // the loop's frames have room for headers only
	t := newTiming(b, pad(bare.bytes(), 80), family, flows)
	over := t.overhead(b)
	if flows > 0 {
		t.run(b, r.prog, int(flows)) // all known now
	}
	b.ResetTimer()
	ns, verdict := t.run(b, r.prog, b.N)
	b.StopTimer()
	if verdict != xdpTX {
		b.Fatalf("verdict %d", verdict)
	}
	b.ReportMetric(ns-over, "alone-ns/pkt")
}
