// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// BenchmarkNAT prints, as alone-ns/pkt, what xdp_nat costs a packet from a client without generator, link and sink,
// with the route lookup that is part of it. tc_nat cannot be run in this loop: it takes frames, not skbs.
func BenchmarkNAT(b *testing.B) {
	loads := []struct {
		name    string
		entries uint32
		flows   uint32 // 0: each packet is new
	}{
		{"hit/entries=1M/flows=1", 1 << 20, 1},
		{"hit/entries=1M/flows=4096", 1 << 20, 4096},
		{"hit/entries=1M/flows=400000", 1 << 20, 400000}, // two entries a flow
		{"new/entries=1M", 1 << 20, 0},
		{"hit/entries=64k/flows=4096", 1 << 16, 4096},
		{"new/entries=64k", 1 << 16, 0},
	}
	for _, family := range []int{4, 6} {
		for _, l := range loads {
			b.Run(fmt.Sprintf("xdp_nat/ip=%d/%s", family, l.name), func(b *testing.B) {
				r := newNATRig(b, "lb/xdp_nat", 10, map[string]any{"flow_entries": l.entries})
				bare := tcp(family)
				bare.payload = nil // the loop's frames have room for headers only
				loop := newTiming(b, pad(bare.bytes(), 80), family, l.flows)
				over := loop.overhead(b)
				if l.flows > 0 {
					r.loop(b, loop, int(l.flows)) // all known now
				}
				b.ResetTimer()
				d, verdict := r.loop(b, loop, b.N)
				b.StopTimer()
				if verdict != xdpTX {
					b.Fatalf("verdict %d", verdict)
				}
				b.ReportMetric(float64(d)/float64(b.N)-over, "alone-ns/pkt")
			})
		}
	}
}

// loop times n packets through the program, on the balancer's link, so that routes are found.
func (r *natRig) loop(tb testing.TB, loop *timing, n int) (d time.Duration, verdict uint32) {
	tb.Helper()
	if err := loop.Maps["under_test"].Put(uint32(0), r.prog); err != nil {
		tb.Fatal(err)
	}
	frame := make([]byte, 80)
	r.do(tb, func() (err error) {
		start := time.Now()
		verdict, err = loop.Programs["timing"].Run(&ebpf.RunOptions{Data: frame, Repeat: uint32(n),
			Context: [6]uint32{0, uint32(len(frame)), 0, uint32(r.ifindex)}})
		d = time.Since(start)
		return err
	})
	return d, verdict
}
