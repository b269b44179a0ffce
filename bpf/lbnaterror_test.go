// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// errorPacket is an ICMP error about a packet, of which at most n bytes are quoted.
func errorPacket(src, dst netip.Addr, about []byte, n int) []byte {
	h := ipHeader{src: src, dst: dst, proto: 1}
	kind, code, rest := uint8(3), uint8(4), uint32(1400) // fragmentation needed
	if src.Is6() {
		h.proto, kind, code = 58, 2, 0 // packet too big
	}
	return ip(h, icmp(src, dst, kind, code, rest, about[:min(n, len(about))]))
}

// pathError is the frame of an error from behind the balancer about a packet to a real.
func pathError(family int, about segment, real, n int) []byte {
	return fromReal(real, errorPacket(realAddr(family, 200), about.src, about.packet(), n))
}

// Errors about translated packets are translated: the client sees its service, the real its own address.
func TestNATErrors(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		header := map[int]int{4: 20, 6: 40}[family]
		zero := udp(family).from(8, 8)
		zero.noSum = true
		for _, s := range []segment{tcp(family), udp(family), zero} {
			real := r.send(t, s)
			for _, quoted := range []int{header + 8, header + 16, header + 18, header + 20, 1 << 16} {
				name := fmt.Sprintf("proto %d, sum %v, %d bytes quoted", s.proto, !s.noSum, quoted)

				// About a packet to the real, from a router on the way.
				sent, seen := s.hop(), s.to(realAddr(family, real), 8080).hop()
				f, out := r.run(t, fromReal(real, errorPacket(realAddr(family, 200), s.src, seen.packet(), quoted)))
				want := eth(clientMAC, balancerMAC, etherType(s.src), hopped(errorPacket(s.dst, s.src, sent.packet(), quoted)))
				checkError(t, name+", to the client", f, want, out, s, quoted-header)

				// About an answer, from the client's side.
				answer := s.answer().hop()
				mine := s.to(realAddr(family, real), 8080).answer().hop()
				f, out = r.run(t, eth(balancerMAC, clientMAC, etherType(s.src),
					errorPacket(s.src, s.dst, answer.packet(), quoted)))
				want = eth(realMAC(real), balancerMAC, etherType(s.src),
					hopped(errorPacket(s.src, mine.src, mine.packet(), quoted)))
				checkError(t, name+", to the real", f, want, out, s, quoted-header)
			}
		}
		if n := r.count(t, statICMP); n != 30 {
			t.Errorf("counted %d errors, want 30", n)
		}
	})
}

func checkError(t *testing.T, what string, f fate, want, got []byte, s segment, quoted int) {
	t.Helper()
	if d := cmp.Diff(want, got); f != fateSend || d != "" {
		t.Errorf("%s: %s (-want +got):\n%s", what, f, d)
	}
}

// hopped is an IP packet one router further.
func hopped(packet []byte) []byte {
	if packet[0]>>4 == 6 {
		packet[7]--
		return packet
	}
	packet[8]--
	packet[10], packet[11] = 0, 0
	be.PutUint16(packet[10:], checksum(packet[:20]))
	return packet
}
