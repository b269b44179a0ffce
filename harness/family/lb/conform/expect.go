// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// An expectation returns an error unless out is right for the packet in and its backend. It is the slow reference: it
// parses packets and computes every checksum itself.
type expectation func(in, out packet, to service.Backend) error

// expectations is the table of the work of each class on a packet of a service.
func expectations() map[string]expectation {
	return map[string]expectation{
		"nat":                expectNAT,
		"ipip":               expectTunnel,
		"dsr":                expectSame,
		harness.ClassCeiling: expectRouted,
	}
}

// expectation returns the expectation of the subject's class and peculiarities, nil if the class handles no packets.
func (s Subject) expectation() expectation {
	expect := expectations()[s.Class]
	p, ok := s.Balancer.(service.Peculiar)
	if expect == nil || !ok {
		return expect
	}
	has := p.Peculiarities()
	return func(in, out packet, to service.Backend) error {
		if has.Routes {
			in.ip = routed(in.ip)
		}
		if has.FillsChecksum && in.lacksChecksum() {
			in.ip = bytes.Clone(in.ip)
			in.segment = in.ip[len(in.ip)-len(in.segment):]
			setTransportSum(in.from.Addr(), in.to.Addr(), in.proto, in.segment)
		}
		return expect(in, out, to)
	}
}

// expectSame wants the IP packet unchanged (dsr).
func expectSame(in, out packet, _ service.Backend) error {
	return same("packet", in.ip, out.ip)
}

// expectRouted wants the IP packet unchanged, or with a time to live that is one less, as after a router.
func expectRouted(in, out packet, _ service.Backend) error {
	if in.ttl == out.ttl {
		return same("packet", in.ip, out.ip)
	}
	return same("packet", routed(in.ip), out.ip)
}

// expectTunnel wants the whole packet after an outer header to the backend.
func expectTunnel(in, out packet, to service.Backend) error {
	inner, v6 := out.inner(), out.ip[0]>>4 == 6
	switch {
	case inner == nil:
		return fmt.Errorf("no packet in a tunnel, but protocol %d", out.proto)
	case out.to.Addr() != to.Addr.Addr():
		return fmt.Errorf("outer destination %s, want %s", out.to.Addr(), to.Addr.Addr())
	case len(out.segment) != len(in.ip):
		return fmt.Errorf("%d bytes in the tunnel, want %d", len(out.segment), len(in.ip))
	case out.ttl < 2:
		return fmt.Errorf("outer time to live %d", out.ttl)
	case !v6 && fold(sum(0, out.ip[:20])) != 0:
		return fmt.Errorf("wrong checksum of the outer header")
	case v6 != (out.kind == etherIPv6):
		return fmt.Errorf("ethertype %#x before IP version %d", out.kind, out.ip[0]>>4)
	}
	return same("inner packet", in.ip, inner.ip)
}

// expectNAT wants the backend's address and port as destination, a time to live that is one less, nothing else changed,
// and checksums that are right if they were right before.
func expectNAT(in, out packet, to service.Backend) error {
	if in.proto == protoICMP || in.proto == protoICMPv6 {
		return expectNATQuote(in, out, to)
	}
	want := routed(in.ip)
	setDestination(want, to.Addr)
	segment := want[len(want)-len(in.segment):]
	binary.BigEndian.PutUint16(segment[2:], to.Addr.Port())
	at := checksumAt(in.proto)
	switch {
	case in.lacksChecksum(): // none before, none after
	case in.transportChecksum() == nil:
		setTransportSum(in.from.Addr(), to.Addr.Addr(), in.proto, segment)
	default:
		// Wrong before: every value but the right one is allowed, and copied to compare the rest.
		if out.transportChecksum() == nil {
			return fmt.Errorf("a wrong checksum was repaired")
		}
		if len(out.segment) >= at+2 {
			copy(segment[at:at+2], out.segment[at:at+2])
		}
	}
	return same("packet", want, out.ip)
}

// expectNATQuote wants an ICMP error about a reply at the backend, with a quote of the backend's own packet.
func expectNATQuote(_, out packet, to service.Backend) error {
	q := out.quoted()
	switch {
	case q == nil:
		return fmt.Errorf("not an ICMP error that quotes a packet")
	case out.to.Addr() != to.Addr.Addr():
		return fmt.Errorf("sent to %s, want %s", out.to.Addr(), to.Addr.Addr())
	case q.from != to.Addr:
		return fmt.Errorf("quotes a packet from %s, want %s", q.from, to.Addr)
	}
	return out.checksums()
}

// routed returns a copy of a packet after one hop.
func routed(b []byte) []byte {
	c := bytes.Clone(b)
	if c[0]>>4 == 6 {
		c[7]--
		return c
	}
	c[8]--
	setHeaderSum(c)
	return c
}

// setDestination writes another destination address into a packet.
func setDestination(b []byte, to netip.AddrPort) {
	if b[0]>>4 == 6 {
		copy(b[24:40], to.Addr().AsSlice())
		return
	}
	copy(b[16:20], to.Addr().AsSlice())
	setHeaderSum(b)
}

// same returns an error with the first difference of two packets.
func same(what string, want, got []byte) error {
	if bytes.Equal(want, got) {
		return nil
	}
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	return fmt.Errorf("%s differs at byte %d:\nwant %x\ngot  %x", what, at, want, got)
}
