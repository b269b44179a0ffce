// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/control"
	"github.com/kxlab/kxlab/harness/laps"
	"github.com/kxlab/kxlab/harness/packets"
)

// lapRingLines is the size of the map rings while programs are timed: to make a larger one takes longer than to time a load.
const lapRingLines = 1 << 15

// ComparePrograms times the programs of two variants against one another on this machine, after both have passed the correctness gate:
// one result for each number of flows, in their order. The group has two members, each with an XDP program, or each with a tc program that
// leaves the length of packets as it is.
func (f Family) ComparePrograms(ctx context.Context, g harness.Group, flows []int, o laps.Options) (out []laps.Comparison, err error) {
	st, err := f.Prepare(ctx, g)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	s := st.(*stage)
	for _, m := range g.Members {
		if err := s.Check(ctx, m.Name); err != nil {
			return nil, fmt.Errorf("%s did not pass its correctness gate: %w", m.Name, err)
		}
	}
	loader := *f.Loader
	loader.RingLines = lapRingLines
	for _, n := range flows {
		m := s.members[g.Members[0].Name]
		if limit := m.balancer.MaxFlows(); limit > 0 && n > limit {
			return nil, harness.Skip("%d flows do not fit: the balancer tracks at most %d here", n, limit)
		}
		t, err := s.lapTraffic(m, n)
		if err != nil {
			return nil, err
		}
		d, err := control.Detach(ctx, &loader, g.Members[0].Variant, m.site, m.services)
		if err != nil {
			return nil, err
		}
		t.Like = d.Spec
		if err := d.Close(); err != nil {
			return nil, err
		}
		c, err := laps.Compare(ctx, t, func(ctx context.Context, of laps.Side) (*ebpf.Program, func() error, error) {
			// Both stand in the place of the first, to whose address frames go.
			d, err := control.Detach(ctx, &loader, g.Members[of].Variant, m.site, m.services)
			if err != nil {
				return nil, nil, err
			}
			return d.Program, d.Close, nil
		}, o)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// lapTraffic is UDP of a number of flows to the target service.
func (s *stage) lapTraffic(m *member, flows int) (t laps.Traffic, err error) {
	stream := packets.Stream{
		Family: s.family, Proto: harness.UDP, VIP: m.target().VIP, Flows: flows, Size: laps.FrameSize,
		SrcMAC: s.segment.Client.MAC, DstMAC: m.host.MAC,
	}
	if err := stream.Check(); err != nil {
		return t, err
	}
	t.Family, t.Flows = s.family, uint32(flows)
	port := 34
	if s.family == 6 {
		port = 54
	}
	copy(t.Frame[:], stream.Template())
	binary.BigEndian.PutUint16(t.Frame[port:], 1024)
	return t, nil
}
