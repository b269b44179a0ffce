// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

func vip(family, service int) netip.AddrPort {
	return netip.AddrPortFrom(netlab.VIP(family, service), 80)
}

func FuzzFlowSource(f *testing.F) {
	for _, n := range []uint32{0, 1, abi.TrafficHalfMask, abi.TrafficHalfMask + 1, maxFlow - 1, 0x12345678} {
		f.Add(n, true)
		f.Add(n, false)
	}
	f.Fuzz(func(t *testing.T, n uint32, six bool) {
		family := 4 + 2*int(boolean(six))
		want := int(n % maxFlow)
		src := flowSource(family, want)
		if got, ok := flowNumber(src); !ok || got != want {
			t.Errorf("flow %d has source %v, which is of flow %d, %v", want, src, got, ok)
		}
		if src.Port() < 1024 || src.Port() >= 1024+1<<15 {
			t.Errorf("flow %d has port %d", want, src.Port())
		}
	})
}

func TestStrangersHaveNoFlow(t *testing.T) {
	for _, s := range []string{"198.19.128.0:1024", "198.18.0.0:1024", "198.19.0.0:1023", "198.19.0.0:33792", "[2001:2:0:2::]:1024",
		"[2001:2:0:1::1:0]:1024", "10.0.0.1:5000"} {
		if f, ok := flowNumber(netip.MustParseAddrPort(s)); ok {
			t.Errorf("%s is of flow %d", s, f)
		}
	}
}

func TestARoundHitsEveryFlowOnce(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 10, 64, 1000, 4096, 30030, 1 << 20} {
		for seed := range uint64(3) {
			s := udp4(n)
			s.Seed, s.FirstFlow = seed, 17
			seen := make([]bool, n)
			for _, f := range s.packets(n) {
				if f < 17 || f >= 17+n || seen[f-17] {
					t.Fatalf("%d flows, seed %d: flow %d comes twice or does not belong", n, seed, f)
				}
				seen[f-17] = true
			}
		}
	}
}

func TestSeedsGiveOtherOrders(t *testing.T) {
	a, b := udp4(4096), udp4(4096)
	b.Seed++
	if cmp.Equal(a.packets(100), b.packets(100)) {
		t.Error("two seeds give one order")
	}
	if !cmp.Equal(a.packets(100), a.packets(100)) {
		t.Error("one seed gives two orders")
	}
}

func TestBadStreams(t *testing.T) {
	numbered := udp4(1)
	numbered.Numbered, numbered.Size, numbered.CallPackets = true, abi.SwapAt+abi.SwapBytes, 64
	if err := errors.Join(udp4(1).Check(), numbered.Check()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Stream){
		"family":             func(s *Stream) { s.Family = 5 },
		"protocol":           func(s *Stream) { s.Proto = 1 },
		"VIP of other kind":  func(s *Stream) { s.VIP = vip(6, 0) },
		"no VIP":             func(s *Stream) { s.VIP = netip.AddrPort{} },
		"no flows":           func(s *Stream) { s.Flows = 0 },
		"too many flows":     func(s *Stream) { s.Flows = MaxFlows + 1 },
		"first flow":         func(s *Stream) { s.FirstFlow = maxFlow },
		"small":              func(s *Stream) { s.Size = 63 },
		"big":                func(s *Stream) { s.Size = 1515 },
		"TCP over IPv6 fits": func(s *Stream) { s.Family, s.Proto, s.VIP, s.Size = 6, harness.TCP, vip(6, 0), 73 },
		"SYN of UDP":         func(s *Stream) { s.SYNShare = 0.5 },
		"SYN share":          func(s *Stream) { s.Proto, s.SYNShare = harness.TCP, math.NaN() },
		"rate":               func(s *Stream) { s.Rate = -1 },
		"infinite rate":      func(s *Stream) { s.Rate = math.Inf(1) },
		"services":           func(s *Stream) { s.Services = -1 },
		"MAC":                func(s *Stream) { s.DstMAC = nil },
		"numbered, small":    func(s *Stream) { s.Numbered, s.Size = true, abi.SwapAt+abi.SwapBytes-1 },
		"numbered flows":     func(s *Stream) { s.Numbered, s.Size, s.Flows = true, 80, 2 },
		"numbered rate":      func(s *Stream) { s.Numbered, s.Size, s.Rate = true, 80, 1000 },
		"numbered TCP":       func(s *Stream) { s.Numbered, s.Size, s.Proto = true, 80, harness.TCP },
		"calls":              func(s *Stream) { s.CallPackets = -1 },
	} {
		s := udp4(1)
		spoil(&s)
		if s.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// reference builds a packet from scratch, slowly, with its checksums by the book.
func reference(s Stream, f int, syn bool) []byte {
	be := binary.BigEndian
	src := flowSource(s.Family, f)
	dst := netlab.VIP(s.Family, f%max(s.Services, 1)).AsSlice()
	l4len := s.Size - 34
	if s.Family == 6 {
		l4len -= 20
	}
	var l4 []byte
	l4 = be.AppendUint16(l4, src.Port())
	l4 = be.AppendUint16(l4, 80)
	at := 6
	if s.Proto == harness.TCP {
		at = 16
		flags, ack := uint16(0x5010), uint32(1)
		if syn {
			flags, ack = 0x5002, 0
		}
		l4 = be.AppendUint32(l4, 0x4b584c41)
		l4 = be.AppendUint32(l4, ack)
		l4 = be.AppendUint16(l4, flags)
		l4 = append(l4, 0xff, 0xff, 0, 0, 0, 0)
	} else {
		l4 = be.AppendUint16(l4, uint16(l4len))
		l4 = append(l4, 0, 0)
	}
	for i := 0; len(l4) < l4len; i++ {
		l4 = append(l4, byte(i))
	}
	pseudo := append(append(src.Addr().AsSlice(), dst...), 0, byte(s.Proto), byte(l4len>>8), byte(l4len))
	sum := internet(append(pseudo, l4...))
	if s.Proto == harness.UDP && sum == 0 {
		sum = 0xffff
	}
	be.PutUint16(l4[at:], sum)
	out := append(append([]byte{}, s.DstMAC...), s.SrcMAC...)
	if s.Family == 4 {
		ip := []byte{0x45, 0, byte((l4len + 20) >> 8), byte(l4len + 20), 0, 0, 0x40, 0, 64, byte(s.Proto), 0, 0}
		ip = append(append(ip, src.Addr().AsSlice()...), dst...)
		be.PutUint16(ip[10:], internet(ip))
		return append(append(append(out, 0x08, 0), ip...), l4...)
	}
	ip := []byte{0x60, 0, 0, 0, byte(l4len >> 8), byte(l4len), byte(s.Proto), 64}
	ip = append(append(ip, src.Addr().AsSlice()...), dst...)
	return append(append(append(out, 0x86, 0xdd), ip...), l4...)
}

// internet is the internet checksum (RFC 1071), word by word with the carry added at once.
func internet(b []byte) uint16 {
	var sum uint16
	for i := 0; i < len(b); i += 2 {
		w := uint16(b[i]) << 8
		if i+1 < len(b) {
			w |= uint16(b[i+1])
		}
		if sum += w; sum < w {
			sum++
		}
	}
	return ^sum
}

func TestPacketsByteForByte(t *testing.T) {
	b := newBalancer(t)
	spec, err := bpf.Open("traffic/capture")
	if err != nil {
		t.Fatal(err)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer coll.Close()
	attach(t, b, coll.Programs["capture"])
	frames, err := ringbuf.NewReader(coll.Maps["frames"])
	if err != nil {
		t.Fatal(err)
	}
	defer frames.Close()
	big := func(s Stream, size int) Stream { s.Size = size; return s }
	many := udp4(5000)
	many.Services, many.FirstFlow = 1000, 70000
	fresh := udp4(0).through(4, harness.TCP)
	fresh.Fresh, fresh.FirstFlow = true, maxFlow-700
	syn := udp4(1).through(4, harness.TCP)
	syn.SYNShare, syn.FirstFlow = 1, 1<<29
	for name, s := range map[string]Stream{
		"UDP": udp4(1000), "TCP": udp4(1000).through(4, harness.TCP), "UDP over IPv6": udp4(1000).through(6, harness.UDP),
		"TCP over IPv6": udp4(1000).through(6, harness.TCP), "odd": big(udp4(1000), 65), "largest": big(udp4(1000), 1514),
		"largest TCP over IPv6": big(udp4(1000).through(6, harness.TCP), 1514), "1000 services": many,
		"1000 services over IPv6": func() Stream { s := many; return s.through(6, harness.UDP) }(),
		"new flows, all around":   fresh, "SYN": syn,
		"SYN over IPv6": func() Stream { s := syn; return s.through(6, harness.TCP) }(),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGenerator(t, b, s)
			const packets = 1500
			sent, err := g.Run(t.Context(), 0, packets)
			if err != nil || sent.Packets != packets {
				t.Fatalf("%+v, %v", sent, err)
			}
			flows := s.packets(packets)
			for i, f := range flows {
				if s.SYNShare == 1 {
					f = s.FirstFlow + 1 + i
				}
				frames.SetDeadline(time.Now().Add(5 * time.Second))
				r, err := frames.Read()
				if err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
				n := binary.NativeEndian.Uint32(r.RawSample)
				want := reference(s, f, s.SYNShare == 1)
				if diff := cmp.Diff(want, r.RawSample[8:8+n]); diff != "" {
					t.Fatalf("packet %d, flow %d (-want +got):\n%s", i, f, diff)
				}
			}
		})
	}
}
