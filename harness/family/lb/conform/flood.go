// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

const (
	// floodFlows is the largest number of new flows of a flood: twice the size of a small table.
	floodFlows = 4096
	// floodBurst is the number of frames sent before the results are read: fewer than the capture's buffer holds.
	floodBurst = 256
	// floodPort is the first client port of a flood, above those of fixtures.
	floodPort = 40000
)

// checkFlood runs the check of a SYN flood, which overflows a flow table of less than floodFlows.
func checkFlood(ctx context.Context, s Subject) error {
	n := floodFlows
	if limit := s.Balancer.MaxFlows(); limit > 0 {
		n = min(n, 2*limit)
	}
	return s.withJudge(func(j *judge) error { return j.flood(ctx, n) })
}

// flood sends n SYNs from different ports while a few flows are established. These keep their backends, and every SYN
// reaches a backend, even if the table is full.
func (j *judge) flood(ctx context.Context, n int) error {
	if j.class == harness.ClassCeiling {
		return nil
	}
	before, err := j.open(changeFlows, j.sc.syn)
	if err != nil {
		return err
	}
	from := clientAddr(j.sc.tcp.VIP.Addr().Is6()).Next()
	for sent := 0; sent < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		burst := min(floodBurst, n-sent)
		if err := j.burst(from, floodPort+sent, burst); err != nil {
			return fmt.Errorf("SYN %d and following of %d: %w", sent, n, err)
		}
		sent += burst
		if sent%(8*floodBurst) == 0 || sent == n {
			if err := j.checkStay(before, service.Backend{}); err != nil {
				return fmt.Errorf("after %d SYNs of other flows: %w", sent, err)
			}
		}
	}
	return nil
}

// burst sends n SYNs from consecutive ports and checks as many frames.
func (j *judge) burst(client netip.Addr, port, n int) error {
	sent := make(map[netip.AddrPort]packet, n)
	for i := range n {
		from := netip.AddrPortFrom(client, uint16(port+i))
		frame := j.sc.syn(from)
		if err := j.send(frame); err != nil {
			return err
		}
		in, err := parse(frame)
		if err != nil {
			return err
		}
		sent[from] = in
	}
	for len(sent) > 0 {
		out, err := j.next(arrivalTime, true)
		if err != nil {
			return err
		}
		if out == nil {
			return fmt.Errorf("%d of %d reached no backend", len(sent), n)
		}
		from := out.from
		if inner := out.inner(); inner != nil {
			from = inner.from
		}
		in, ok := sent[from]
		if !ok {
			return fmt.Errorf("a packet from %s, not sent or received twice", from)
		}
		delete(sent, from)
		if _, err := j.delivered(in, *out); err != nil {
			return err
		}
	}
	return nil
}
