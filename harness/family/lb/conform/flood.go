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
	// floodFlows bounds the new flows of a flood. A table of up to half as many is filled twice over.
	floodFlows = 4096
	// floodBurst is how many are sent before what came out is read: fewer than the capture's buffer holds.
	floodBurst = 256
	// floodPort is the first client port of a flood, above those of fixtures.
	floodPort = 40000
)

// checkFlood runs the scene of a SYN flood, which is larger than the flow table where that is small.
func checkFlood(ctx context.Context, s Subject) error {
	n := floodFlows
	if most := s.Balancer.MaxFlows(); most > 0 {
		n = min(n, 2*most)
	}
	return s.judged(func(j *judge) error { return j.flood(ctx, n) })
}

// flood sends n SYNs of as many clients while a few flows are established: those keep their backends, and every SYN
// reaches a backend, whether or not there is room to remember it.
func (j *judge) flood(ctx context.Context, n int) error {
	if j.class == harness.ClassCeiling {
		return nil
	}
	w := &watch{j}
	before, err := w.open(changeFlows)
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
			if err := w.stay(fmt.Sprintf("after %d SYNs of others", sent), before, service.Backend{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// burst sends n SYNs from consecutive ports and judges as many frames.
func (j *judge) burst(client netip.Addr, port, n int) error {
	sent := make(map[netip.AddrPort]packet, n)
	for i := range n {
		from := netip.AddrPortFrom(client, uint16(port+i))
		frame := j.sc.tcpTo(from, j.sc.tcp.VIP, tcpSYN, "")
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
		out, err := j.next(patience, true)
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
			return fmt.Errorf("a packet from %s that nobody sent, or sent once", from)
		}
		delete(sent, from)
		to, err := j.sc.backend(in, *out, j.class)
		if err != nil {
			return err
		}
		if err := j.expect(in, *out, *to); err != nil {
			return err
		}
	}
	return nil
}
