// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// TestInvalidSegments: a segment far outside the window, which connection tracking does not translate, reaches the client
// only by the balancers that have that peculiarity.
func TestInvalidSegments(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables"} {
		t.Run(method, func(t *testing.T) {
			p := newSegmentLab(t, 1)
			b := p.put(method)
			defer b.Close()
			s := ruledService(ipv4, harness.TCP, 0, 1)
			if err := b.Sync(t.Context(), []service.Service{s}); err != nil {
				t.Fatal(err)
			}
			c, err := p.dial(harness.TCP, s.VIP)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := ask(c); err != nil {
				t.Fatal(err)
			}
			client := c.LocalAddr().(*net.TCPAddr).AddrPort()
			sniffer := p.raw(p.client)
			if err := unix.SetsockoptTimeval(sniffer, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 700000}); err != nil {
				t.Fatal(err)
			}
			real := s.Backends[0].Addr
			// Whether conntrack finds a segment invalid or only late depends on how far its numbers are from the connection's,
			// which are random: one in four at least is invalid.
			source := p.raw(p.reals[0])
			for _, far := range [][2]uint32{{0x10000000, 0x10000000}, {0x10000000, 0x90000000}, {0x90000000, 0x10000000}, {0x90000000, 0x90000000}} {
				segment := strayAnswer(real, client, far[0], far[1])
				if err := unix.Sendto(source, segment, 0, &unix.SockaddrInet4{Addr: client.Addr().As4()}); err != nil {
					t.Fatal(err)
				}
			}
			peculiar, ok := b.(service.Peculiar)
			want := ok && peculiar.Peculiarities().LeaksInvalid
			if got := heard(sniffer, real.Addr()); got != want {
				t.Errorf("the segment reached the client untranslated: %v, the balancer says %v", got, want)
			}
			if _, err := ask(c); err != nil && !want {
				t.Errorf("the connection afterwards: %v", err)
			}
		})
	}
}

// raw opens a raw socket of TCP over IPv4 in a namespace.
func (p *segmentLab) raw(ns string) (fd int) {
	p.t.Helper()
	if err := sys.InNS(ns, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// strayAnswer is a TCP segment with a sequence number outside every connection's window.
func strayAnswer(from, to netip.AddrPort, seq, ack uint32) []byte {
	be := binary.BigEndian
	seg := be.AppendUint16(be.AppendUint16(nil, from.Port()), to.Port())
	seg = be.AppendUint32(be.AppendUint32(seg, seq), ack)
	seg = append(seg, 0x50, 0x18, 0x10, 0, 0, 0, 0, 0, 'l', 'o', 's', 't')
	src, dst := from.Addr().As4(), to.Addr().As4()
	pseudo := append(append(src[:], dst[:]...), 0, unix.IPPROTO_TCP, 0, byte(len(seg)))
	var sum uint32
	for _, part := range [][]byte{pseudo, seg} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(be.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	be.PutUint16(seg[16:], ^uint16(sum))
	return seg
}

// heard reports whether the raw socket gets a packet from the address within its time limit, at most a second.
func heard(fd int, from netip.Addr) bool {
	buf := make([]byte, 2000)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return false
		}
		if n >= 40 && [4]byte(buf[12:16]) == from.As4() {
			return true
		}
	}
	return false
}

// TestUDPBeforeItsService: a client that sent to an address before a service was there, and goes on from the same port,
// gets the service once it is there.
func TestUDPBeforeItsService(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables"} {
		for name, f := range ipFamilies() {
			t.Run(method+"/"+name, func(t *testing.T) {
				p := newSegmentLab(t, 1)
				b := p.put(method)
				defer b.Close()
				s, other := ruledService(f, harness.UDP, 0, 1), ruledService(f, harness.UDP, 1, 1)
				if err := b.Sync(t.Context(), []service.Service{other}); err != nil {
					t.Fatal(err)
				}
				c, err := p.dial(harness.UDP, s.VIP)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for range 3 {
					_, _ = c.Write([]byte("early\n"))
				}
				if err := b.Sync(t.Context(), []service.Service{other, s}); err != nil {
					t.Fatal(err)
				}
				var who string
				for range 3 { // the client may be told of an early one, by ICMP
					if who, err = ask(c); err == nil {
						break
					}
				}
				if err != nil || who != "0" {
					t.Errorf("answered by %q: %v", who, err)
				}
			})
		}
	}
}
