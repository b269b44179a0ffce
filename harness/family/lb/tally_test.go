// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/control"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/packets"
)

// TestTallies: with the knob counters, packets and bytes of each service and real are those that the sink saw, for one service after
// the other, over frames of two lengths, with known and with new flows.
func TestTallies(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and BPF")
	}
	members := shippedMembers(t, func(v harness.Variant) []harness.Knob {
		if v.Object == "" || v.Class == "socket" || v.Class == "ceiling" {
			return nil
		}
		return []harness.Knob{{Name: "counters", Value: 1}, {Name: "flow_entries", Value: 1 << 16}} // a NAT's two tables of the usual size take a second to make
	})
	for _, family := range []string{"4", "6"} {
		t.Run("ip="+family, func(t *testing.T) {
			s := prepare(t, family, members)
			for _, m := range members {
				t.Run(m.Name, func(t *testing.T) { checkTallies(t, s, s.members[m.Name]) })
			}
		})
	}
}

// A tallier is a balancer that counts packets and bytes.
type tallier interface {
	Tallies() (control.Tallies, error)
}

func checkTallies(t *testing.T, s *stage, m *member) {
	if err := s.segment.Select(m.host, m.returnsVia()); err != nil {
		t.Fatal(err)
	}
	want := control.Tallies{Services: map[service.Key]control.Tally{}, Reals: map[control.ID]control.Tally{}}
	before := tallies(t, m)
	for k := range before.Services {
		want.Services[k] = control.Tally{}
	}
	for id := range before.Reals {
		want.Reals[id] = control.Tally{}
	}
	if len(want.Services) != 4 || len(want.Reals) < lbBackends {
		t.Fatalf("%d services and %d reals to begin with: %v", len(want.Services), len(want.Reals), want)
	}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("before the first packet: %s", diff)
	}
	target := m.target()
	for _, load := range []struct {
		of    service.Key
		size  int
		flows int
		fresh bool
	}{
		{service.Key{VIP: target.VIP, Proto: harness.UDP}, 200, 1000, false},
		{service.Key{VIP: serviceAddr(s.family, 0), Proto: harness.TCP}, 90, 300, false},
		{service.Key{VIP: target.VIP, Proto: harness.TCP}, 1000, 1, true},
	} {
		p, err := openPath(m, packets.Stream{Family: s.family, Proto: load.of.Proto, VIP: load.of.VIP, Flows: load.flows, Fresh: load.fresh,
			Size: load.size, Seed: 1, SrcMAC: s.segment.Client.MAC, DstMAC: m.host.MAC})
		if err != nil {
			t.Fatal(err)
		}
		const sent = 3000
		if _, err := p.generator.Run(t.Context(), packetCPU, sent); err != nil {
			t.Fatal(err)
		}
		if err := p.awaitArrival(0, sent); err != nil {
			t.Fatal(err)
		}
		counts, err := p.sink.Counts()
		if err := errors.Join(err, p.close()); err != nil {
			t.Fatal(err)
		}
		if counts.Total() != sent || counts.Other != 0 {
			t.Fatalf("%d packets of %d at the sink, %d of them to no real", counts.Total(), sent, counts.Other)
		}
		outer := (int(counts.Bytes) - sent*load.size) / sent // of each frame
		if wantOuter := map[string]int{"ipip": map[int]int{4: 20, 6: 40}[s.family]}[m.class]; outer != wantOuter {
			t.Fatalf("%d bytes of %d packets at the sink: an outer header has %d, want %d", counts.Bytes, sent, outer, wantOuter)
		}
		each := counts.Bytes/sent - uint64(outer) - 14 // bytes of the IP packet that was sent
		w := want.Services[load.of]
		want.Services[load.of] = control.Tally{Packets: w.Packets + sent, Bytes: w.Bytes + sent*each}
		for id, w := range want.Reals {
			if i := int(id[22])<<8 | int(id[23]); id[21] == 2 && i < len(counts.Reals) { // its MAC address
				want.Reals[id] = control.Tally{Packets: w.Packets + counts.Reals[i], Bytes: w.Bytes + counts.Reals[i]*each}
			}
		}
		if diff := cmp.Diff(want, tallies(t, m)); diff != "" {
			t.Errorf("after %d packets to %s (-want, +got): %s", sent, load.of, diff)
		}
	}
}

func tallies(t *testing.T, m *member) control.Tallies {
	t.Helper()
	all, err := m.balancer.(tallier).Tallies()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
