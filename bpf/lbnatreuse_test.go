// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestNATReuse: a SYN on the ports of a connection that is over begins a new one, and what the old one's real still
// sends does not end it. The late packet sets a bit that the old one's entries do not have: else it would touch nothing. Reals
// differ in one thing only, the port or a word of the address: each tells two connections apart.
func TestNATReuse(t *testing.T) {
	for _, alike := range alikeReals {
		t.Run(alike.differ, func(t *testing.T) { testNATReuse(t, alike) })
	}
}

// An alike is a set of reals that differ in one thing.
type alike struct {
	differ string
	target func(family, i int) netip.AddrPort
	only6  bool
}

var alikeReals = []alike{
	{"address", plainTarget, false},
	{"port", func(family, i int) netip.AddrPort { return netip.AddrPortFrom(realAddr(family, 0), uint16(8080+i)) }, false},
	{"word 1", wordTarget(0), true},
	{"word 2", wordTarget(4), true},
	{"word 3", wordTarget(8), true},
}

// wordTarget makes targets that differ in the fourth byte from here of their IPv6 addresses.
func wordTarget(word int) func(family, i int) netip.AddrPort {
	return func(family, i int) netip.AddrPort {
		a := realAddr(6, 0).As16()
		a[word+3] += byte(i)
		return netip.AddrPortFrom(netip.AddrFrom16(a), 8080)
	}
}

// setTargets gives the reals of a family other addresses and ports.
func (r *natRig) setTargets(t *testing.T, family int, target func(family, i int) netip.AddrPort) {
	t.Helper()
	r.targets = target
	for i := range r.reals {
		addr, mac := target(family, i).Addr(), r.mac(family, i)
		r.do(t, func() error {
			to := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
			if err := netlink.RouteReplace(&netlink.Route{LinkIndex: r.ifindex, Dst: to, Scope: unix.RT_SCOPE_LINK}); err != nil {
				return err
			}
			return netlink.NeighSet(&netlink.Neigh{LinkIndex: r.ifindex, State: netlink.NUD_PERMANENT, IP: to.IP, HardwareAddr: mac[:]})
		})
		r.setReal(t, family, i, 0)
	}
}

func testNATReuse(t *testing.T, alike alike) {
	const fin = 0x01
	for _, c := range []struct {
		about       string
		end, answer uint8 // flags of the last packets of the old connection
		late        uint8
	}{
		{"closed, then reset", fin | flagACK, fin | flagACK, flagRST},
		{"reset, then closed", flagRST, 0, fin | flagACK},
	} {
		t.Run(c.about, func(t *testing.T) {
			eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
				if alike.only6 && family == 4 {
					return
				}
				r.setTargets(t, family, alike.target)
				s := tcp(family)
				old := r.send(t, s.with(flagSYN))
				r.answers(t, s.with(flagSYN|flagACK), old)
				r.send(t, s.with(c.end))
				if c.answer != 0 {
					r.answers(t, s.with(c.answer), old)
				}
				r.setRings(t, 1)
				real := r.send(t, s.with(flagSYN))
				if real == old {
					t.Errorf("over, and not balanced anew")
				}
				r.answers(t, s.with(flagSYN|flagACK), real)
				r.answers(t, s.with(c.late), old)
				r.setRings(t, 2)
				for _, flags := range []uint8{flagACK, flagSYN} {
					if now := r.send(t, s.with(flags)); now != real {
						t.Errorf("after a late packet of the old real, flags %#x moved the connection from real %d to %d", flags, real, now)
					}
				}
			})
		})
	}
}

// TestNATPutsBack: a connection of which one direction is silent keeps both: what fell out of the table is put back by
// the other direction's next refresh, which its end is, too.
func TestNATPutsBack(t *testing.T) {
	const fin = 0x01
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		s := tcp(family)
		real := r.send(t, s)
		r.setRings(t, 1)
		flows := r.Maps[map[int]string{4: "flows", 6: "flows_v6"}[family]]
		drop := func(direction uint32) {
			t.Helper()
			key, value := make([]byte, flows.KeySize()), make([]byte, flows.ValueSize())
			for it := flows.Iterate(); it.Next(&key, &value); {
				if value[20] == byte(direction) {
					if err := flows.Delete(key); err != nil {
						t.Fatal(err)
					}
					return
				}
			}
			t.Fatalf("no entry of direction %d", direction)
		}
		const toReal, toClient = 1, 2
		drop(toClient)
		r.send(t, s.with(fin|flagACK))
		r.answers(t, s, real)
		drop(toReal)
		r.answers(t, s.with(fin|flagACK), real)
		if now := r.send(t, s); now != real {
			t.Errorf("moved from real %d to %d", real, now)
		}
	})
}

// TestNATZeroSum: a UDP checksum that comes out as zero is sent as all ones: zero says that there is none.
func TestNATZeroSum(t *testing.T) {
	eachNAT(t, 4, nil, func(t *testing.T, r *natRig, family int) {
		s := udp(family)
		s.payload = []byte{0, 0}
		real := r.send(t, s)
		seen := s.to(realAddr(family, real), 8080).l4()
		s.payload = seen[6:8] // makes the sum of the translated datagram zero
		f, out := r.run(t, s.bytes())
		if at := len(out) - 4; f != fateSend || be.Uint16(out[at:]) != 0xffff {
			t.Errorf("%s, checksum %#x; want it sent with 0xffff", f, out[at:at+2])
		}
	})
}
