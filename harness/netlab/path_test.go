// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSelect sends connections to VIPs through forwarding balancers and looks at who saw the packets.
func TestSelect(t *testing.T) {
	s := newSegment(t, Options{Reals: 2}, 2)
	real := s.Reals[1]
	greet(t, real, 80)
	for _, b := range s.Balancers {
		for _, vips := range []struct {
			vips netip.Prefix
			via  netip.Addr
		}{{vips4, real.Addr4.Addr()}, {vips6, real.Addr6.Addr()}} {
			if err := b.route(vips.vips, vips.via, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name      string
		balancer  int
		returnVia bool
	}{
		{"there and back through the first", 0, true},
		{"there through the first, back directly", 0, false},
		{"there and back through the second", 1, true},
		{"there through the second, back directly", 1, false},
		{"only the balancer changes", 0, false},
	} {
		if err := s.Select(s.Balancers[tt.balancer], tt.returnVia); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ from, to netip.Addr }{
			{s.Client.Addr4.Addr(), VIP(4, 299)}, {Source(4, 1000), VIP(4, 0)},
			{s.Client.Addr6.Addr(), VIP(6, 299)}, {Source(6, 1000), VIP(6, 0)},
		} {
			var before, after [2]uint64
			for i, b := range s.Balancers {
				before[i] = received(t, b)
			}
			err := s.Client.Do(func() error { return call(c.from, netip.AddrPortFrom(c.to, 80), real.Name) })
			if err != nil {
				t.Errorf("%s: %s to %s: %v", tt.name, c.from, c.to, err)
			}
			time.Sleep(5 * time.Millisecond) // the last packets of the connection
			for i, b := range s.Balancers {
				after[i] = received(t, b) - before[i]
			}
			// The client sends five packets or so (SYN, ACK, FIN, …), the real three or more.
			used, other := after[tt.balancer], after[1-tt.balancer]
			if other != 0 || tt.returnVia && used < 6 || !tt.returnVia && (used < 3 || used > 5) {
				t.Errorf("%s: %s to %s: the balancer saw %d packets, the other %d", tt.name, c.from, c.to, used, other)
			}
		}
	}
}

// greet serves TCP on a port of all addresses of a host: it says the host's name.
func greet(t *testing.T, h *Host, port int) {
	t.Helper()
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, h.Name)
			_ = c.Close()
		}
	}()
}

// call connects and wants to read the name.
func call(from netip.Addr, to netip.AddrPort, want string) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	got, err := io.ReadAll(c)
	if err == nil && string(got) != want {
		err = fmt.Errorf("answered by %q, want %q", got, want)
	}
	return err
}

func received(t *testing.T, h *Host) uint64 {
	t.Helper()
	l, err := h.handle.LinkByIndex(h.Ifindex)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Statistics.RxPackets
}

// TestDecap sends hand-made tunnel packets to a real.
func TestDecap(t *testing.T) {
	s := newSegment(t, Options{Reals: 1}, 0)
	real, client := s.Reals[0], s.Client
	in4 := datagram(client.Addr4.Addr(), netip.AddrPortFrom(VIP(4, 5), 7777), "four")
	in6 := datagram(client.Addr6.Addr(), netip.AddrPortFrom(VIP(6, 5), 7777), "six")
	out4 := func(inner []byte, proto byte) []byte {
		return packet(client.Addr4.Addr(), real.Addr4.Addr(), proto, inner)
	}
	out6 := func(inner []byte, proto byte) []byte {
		return packet(client.Addr6.Addr(), real.Addr6.Addr(), proto, inner)
	}
	wrong := out4(in4, 4)
	wrong[10] ^= 1
	for _, tt := range []struct {
		name    string
		packet  []byte
		network string
		want    string
		v4, v6  uint64
	}{
		{"plain IPv4 passes", in4, "udp4", "four", 0, 0},
		{"plain IPv6 passes", in6, "udp6", "six", 0, 0},
		{"IPv4 in IPv4", out4(in4, 4), "udp4", "four", 1, 0},
		{"IPv4 in IPv6", out6(in4, 4), "udp4", "four", 0, 1},
		{"IPv6 in IPv6", out6(in6, 41), "udp6", "six", 0, 1},
		{"wrong outer checksum stays as it is", wrong, "udp4", "", 0, 0},
	} {
		before4, before6, err := s.stripped()
		if err != nil {
			t.Fatal(err)
		}
		var c net.PacketConn
		if err := real.Do(func() (err error) { c, err = net.ListenPacket(tt.network, ":7777"); return err }); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(func() error { return sendFrame(client, real, tt.packet) }); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		buf := make([]byte, 100)
		n, _, err := c.ReadFrom(buf)
		if got := string(buf[:n]); got != tt.want {
			t.Errorf("%s: the real read %q (%v), want %q", tt.name, got, err, tt.want)
		}
		_ = c.Close()
		after4, after6, err := s.stripped()
		if err != nil {
			t.Fatal(err)
		}
		if after4-before4 != tt.v4 || after6-before6 != tt.v6 {
			t.Errorf("%s: stripped %d and %d, want %d and %d", tt.name, after4-before4, after6-before6, tt.v4, tt.v6)
		}
	}
}

// datagram is a UDP packet with its IP header; source port 7777.
func datagram(from netip.Addr, to netip.AddrPort, text string) []byte {
	udp := make([]byte, 8, 8+len(text))
	binary.BigEndian.PutUint16(udp[0:], 7777)
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(text)))
	udp = append(udp, text...)
	pseudo := append(append([]byte{}, from.AsSlice()...), to.Addr().AsSlice()...)
	pseudo = append(pseudo, 0, unix.IPPROTO_UDP, 0, byte(len(udp)))
	binary.BigEndian.PutUint16(udp[6:], ^fold(append(pseudo, udp...)))
	return packet(from, to.Addr(), unix.IPPROTO_UDP, udp)
}

// packet puts an IP header in front of a payload.
func packet(from, to netip.Addr, proto byte, payload []byte) []byte {
	if from.Is6() {
		h := make([]byte, 8, 40+len(payload))
		h[0], h[6], h[7] = 0x60, proto, 64
		binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
		return append(append(append(h, from.AsSlice()...), to.AsSlice()...), payload...)
	}
	h := make([]byte, 12, 20+len(payload))
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(payload)))
	h = append(append(h, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(h[10:], ^fold(h))
	return append(h, payload...)
}

// fold is the one's complement sum of 16-bit words.
func fold(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i]) << 8
		if i+1 < len(b) {
			sum += uint32(b[i+1])
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func sendFrame(from, to *Host, ip []byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	frame := append(append([]byte{}, to.MAC...), from.MAC...)
	if ip[0]>>4 == 4 {
		frame = append(frame, 0x08, 0x00)
	} else {
		frame = append(frame, 0x86, 0xdd)
	}
	return unix.Sendto(fd, append(frame, ip...), 0, &unix.SockaddrLinklayer{Ifindex: from.Ifindex})
}

// TestThread wants the CPU time of a receive thread to grow with traffic, and the program of a port to be replaceable.
func TestThread(t *testing.T) {
	s := newSegment(t, Options{Reals: 2}, 1)
	if _, err := s.Balancers[0].Thread(0); err == nil {
		t.Error("a link without a program got a receive thread")
	}
	// Two hosts have a link of the same name: each thread must be the right one.
	busy, err := s.Reals[0].Thread(1)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := s.Reals[1].Thread(1)
	if err != nil {
		t.Fatal(err)
	}
	port, err := s.Reals[0].Port.Thread(0)
	if err != nil {
		t.Fatal(err)
	}
	threads := []*NAPIThread{busy, idle, port}
	var before, grown [3]time.Duration
	for i, n := range threads {
		if before[i], err = n.CPUTime(); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		if err := s.Client.Do(func() error { return reach(s.Reals[0].Addr4.Addr()) }); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range threads {
		after, err := n.CPUTime()
		if err != nil {
			t.Fatal(err)
		}
		grown[i] = after - before[i]
	}
	if grown[0] < 20*time.Microsecond || grown[2] < 20*time.Microsecond || grown[1] > grown[0]/4 {
		t.Errorf("receive threads of the busy real, the idle real, the busy port ran for %v", grown)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(busy.PIDs[0], &set); err != nil || set.Count() != 1 || !set.IsSet(1) {
		t.Errorf("the receive thread may run on %d CPUs (%v), want CPU 1 alone", set.Count(), err)
	}
	for _, n := range threads {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Client.Do(func() error { return reach(s.Reals[0].Addr6.Addr()) }); err != nil {
		t.Errorf("after the threads ended: %v", err)
	}
}
