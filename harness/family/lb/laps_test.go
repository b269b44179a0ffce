// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/laps"
)

// TestMirror: in the mirror of a load each side has the maps that the other had, emptied of its flows; where they do not fit it has its own.
func TestMirror(t *testing.T) {
	site := labtest.BpfSite(t)
	members := shippedMembers(t, nil)
	members = slices.DeleteFunc(members, func(m harness.Member) bool { return m.Name != "xdp-dsr" })
	small := members[0]
	small.Variant.Knobs = append(slices.Clone(small.Variant.Knobs), harness.Knob{Name: "flow_entries", Value: 1024})
	real := service.Backend{Addr: netip.MustParseAddrPort("198.18.0.20:80"), MAC: site.MAC, Weight: 1}
	services := []service.Service{{VIP: netip.MustParseAddrPort("198.19.128.1:80"), Proto: harness.UDP, Backends: []service.Backend{real}}}
	for _, tt := range []struct {
		name  string
		b     harness.Member
		taken bool
	}{{"the same", members[0], true}, {"another size", small, false}} {
		t.Run(tt.name, func(t *testing.T) {
			p := pairLoader{Loader: *bpfobj.New(bpfobj.Options{RingLines: 64}), members: []harness.Member{members[0], tt.b}, site: site, services: services}
			defer func() {
				if err := p.close(); err != nil {
					t.Error(err)
				}
			}()
			var first [2][]ebpf.MapID
			for _, of := range []laps.Side{laps.SideA, laps.SideB} {
				first[of] = usedMaps(t, &p, of, false)
			}
			flows := p.maps[laps.SideA]["flows"]
			var line [64]byte
			line[9] = 1
			if err := flows.Put(uint32(5), line); err != nil {
				t.Fatal(err)
			}
			info, err := flows.Info()
			if err != nil {
				t.Fatal(err)
			}
			id, _ := info.ID()
			if !slices.Contains(first[laps.SideA], id) {
				t.Fatalf("map %d is not one of A, which uses %v", id, first[laps.SideA])
			}
			if mirror := usedMaps(t, &p, laps.SideB, true); slices.Contains(mirror, id) != tt.taken {
				t.Errorf("in the mirror B uses the maps %v; that of A's flows is %d", mirror, id)
			}
			if err := flows.Lookup(uint32(5), &line); err != nil || (line == [64]byte{}) != tt.taken {
				t.Errorf("the flow of A: %v, %v", line, err)
			}
		})
	}
}

// usedMaps loads a side and returns the maps that its program uses.
func usedMaps(t *testing.T, p *pairLoader, of laps.Side, mirror bool) []ebpf.MapID {
	t.Helper()
	program, done, err := p.load(t.Context(), of, mirror)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	}()
	info, err := program.Info()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := info.MapIDs()
	return ids
}
