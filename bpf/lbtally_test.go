// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"testing"

	"github.com/kxlab/kxlab/bpf/abi"
)

// TestTallies: with the knob counters, what goes to a real counts for it and its service, with the length of the IP packet: neither
// padding nor outer headers, ICMP errors included, and nothing else.
func TestTallies(t *testing.T) {
	pin(t)
	for _, object := range balancers {
		t.Run(object, func(t *testing.T) {
			r := newRig(t, rigSpec{Object: object, Reals: 4, Services: 2, Knobs: map[string]any{"counters": uint32(1)}})
			var services [2]abi.LBTally
			var reals [4]abi.LBTally
			add := func(tally *abi.LBTally, bytes int) {
				tally.Packets++
				tally.Bytes += uint64(bytes)
			}
			for _, c := range packetCases() {
				verdict, out := r.run(t, c.in)
				if verdict != xdpTX || c.stat == statTooBig {
					continue
				}
				bytes := ipEnd(c.in) - 14
				add(&services[0], bytes)
				add(&reals[realOf(out)], bytes)
			}
			for port := range uint16(100) { // each twice: new, then known
				for range 2 {
					p := udp(4)
					p.sport += port
					in := pad(p.to(vip(4, 1), 80).bytes(), 64+int(port))
					_, out := r.run(t, in)
					add(&services[1], ipEnd(in)-14)
					add(&reals[realOf(out)], ipEnd(in)-14)
				}
			}
			for i, want := range services {
				if got := r.tally(t, generation(i)%abi.LBGenerations); got != want {
					t.Errorf("service %d: %+v, want %+v", i, got, want)
				}
			}
			for i, want := range reals {
				if got := r.tally(t, abi.LBGenerations+uint32(i)); got != want || want.Packets == 0 {
					t.Errorf("real %d: %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

// tally sums a tally over CPUs.
func (r *rig) tally(tb testing.TB, index uint32) (sum abi.LBTally) {
	tb.Helper()
	for key := index; key < r.Maps["tallies"].MaxEntries(); key += abi.LBTallies {
		var t abi.LBTally
		if err := r.Maps["tallies"].Lookup(key, &t); err != nil {
			tb.Fatal(err)
		}
		sum.Packets += t.Packets
		sum.Bytes += t.Bytes
	}
	return sum
}
