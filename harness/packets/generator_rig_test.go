// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// newBalancer builds a segment with one balancer that has no program yet.
func newBalancer(t testing.TB) *netlab.Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	s, err := netlab.New(t.Context(), netlab.Options{Reals: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := s.AddBalancer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// attach puts a program on the balancer's own link.
func attach(t testing.TB, b *netlab.Host, p *ebpf.Program) {
	t.Helper()
	err := b.Do(func() error {
		l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: b.Ifindex, Flags: link.XDPDriverMode})
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// spread returns a program that sends every frame back to one of four reals, by the last byte at an offset.
func spread(t testing.TB, offset int16) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 64),
		asm.Mov.Imm(asm.R0, 1), // XDP_DROP
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, offset, asm.Byte),
		asm.And.Imm(asm.R5, 3),
		asm.StoreMem(asm.R2, 5, asm.R5, asm.Byte),
		asm.Mov.Imm(asm.R0, 3), // XDP_TX
		asm.Return().WithSymbol("out"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func udp4(flows int) Stream {
	return Stream{
		Family: 4, Proto: harness.UDP, VIP: vip(4, 0), Flows: flows, Size: 64, Seed: 7,
		SrcMAC: netlab.MAC(netlab.RoleClient, 0), DstMAC: netlab.MAC(netlab.RoleReal, 0),
	}
}

// through returns s over a family and a protocol.
func (s Stream) through(family int, proto harness.Proto) Stream {
	s.Family, s.Proto, s.VIP = family, proto, vip(family, 0)
	s.Size = max(s.Size, s.headers())
	return s
}

func newGenerator(t testing.TB, b *netlab.Host, s Stream) *Generator {
	t.Helper()
	g, err := NewGenerator(b.Port, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func newSink(t testing.TB, b *netlab.Host, m Mode, opts SinkOptions) *Sink {
	t.Helper()
	s, err := OpenSink(b.Port, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Mode(m); err != nil {
		t.Fatal(err)
	}
	return s
}

func counts(t testing.TB, s *Sink) Counts {
	t.Helper()
	c, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func look(t testing.TB, b *netlab.Host) Snapshot {
	t.Helper()
	s, err := TakeSnapshot(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// arrived waits until nothing more comes.
func arrived(t testing.TB, s *Sink) Counts {
	t.Helper()
	c := counts(t, s)
	for {
		time.Sleep(20 * time.Millisecond)
		next := counts(t, s)
		if next.Total() == c.Total() {
			return c
		}
		c = next
	}
}
