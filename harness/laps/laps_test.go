// SPDX-License-Identifier: Apache-2.0

package laps

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// multiplying is an XDP program of n multiplications, each of which waits for the one before.
func multiplying(t *testing.T, n int, verdict int32) *ebpf.Program {
	t.Helper()
	ins := asm.Instructions{asm.Mov.Imm(asm.R1, 3)}
	for range n {
		ins = append(ins, asm.Mul.Imm(asm.R1, 5))
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", Instructions: append(ins, asm.Mov.Imm(asm.R0, verdict), asm.Return())})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to load BPF programs")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
}

// TestCompare: a planted tenth is found with its sign and size, whichever side it is planted on.
func TestCompare(t *testing.T) {
	needRoot(t)
	const short, long = 400, 440
	for _, c := range []struct {
		name     string
		a, b     int
		low, top float64
	}{{"slower", short, long, 0.07, 0.13}, {"faster", long, short, -0.12, -0.065}} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Compare(t.Context(), Traffic{Family: 4, Flows: 256}, func(_ context.Context, of Side) (*ebpf.Program, func() error, error) {
				p := multiplying(t, [2]int{c.a, c.b}[of], 3)
				return p, p.Close, nil
			}, Options{Loads: 20, Time: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", got)
			if got.Low <= 0 && got.High >= 0 || got.Change < c.low || got.Change > c.top || got.Low > got.Change || got.High < got.Change {
				t.Errorf("B differs by %+.2f %% [%+.2f, %+.2f]; want %+.0f to %+.0f %%", 100*got.Change, 100*got.Low, 100*got.High, 100*c.low, 100*c.top)
			}
			if want := got.A * (1 + got.Change); !(got.A > 0) || math.Abs(got.B-want) > 1e-6 {
				t.Errorf("A %v ns, B %v ns, want %v", got.A, got.B, want)
			}
			if !(got.Own > 1) {
				t.Errorf("the loop itself takes %v ns a packet", got.Own)
			}
		})
	}
}

// TestTurns: each of two programs has half of the packets, in either order of a swap.
func TestTurns(t *testing.T) {
	needRoot(t)
	l, err := newLoop(Traffic{Family: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := multiplying(t, 1, 3)
	defer p.Close()
	sides, err := l.run(t.Context(), p, l.empty(), 1) // one call
	if err != nil {
		t.Fatal(err)
	}
	if a, b := sides[0].Packets+turnPackets*sides[0].Broken, sides[1].Packets+turnPackets*sides[1].Broken; a+b < callPackets-turnPackets || a > b+turnPackets || b > a+turnPackets {
		t.Errorf("%d and %d packets", a, b)
	}
	for _, n := range []int{1, 2, 5} {
		if _, err := Compare(t.Context(), Traffic{}, nil, Options{Loads: n}); err == nil {
			t.Errorf("%d loads give an interval", n)
		}
	}
}

// TestOtherWork: programs that do not agree in their verdict are not compared, nor one that aborts.
func TestOtherWork(t *testing.T) {
	needRoot(t)
	for b, want := range map[int32]string{2: "A gives a packet the verdict XDP_TX and B XDP_PASS", 0: "B: the program aborts packets"} {
		_, err := Compare(t.Context(), Traffic{Family: 4, Flows: 1}, func(_ context.Context, of Side) (*ebpf.Program, func() error, error) {
			p := multiplying(t, 1, [2]int32{3, b}[of])
			return p, p.Close, nil
		}, Options{Loads: 4, Time: time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestSamePacket: a program that rewrites and shortens its packet meets the same one in each run, and a planted tenth is found, for XDP
// and tc. A program that cannot be given its packet again is an error.
func TestSamePacket(t *testing.T) {
	needRoot(t)
	packet := make([]byte, 200)
	packet[50] = 7
	for _, like := range []*ebpf.ProgramSpec{
		{Type: ebpf.XDP, AttachType: ebpf.AttachXDP}, {Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Flags: unix.BPF_F_XDP_HAS_FRAGS}, {Type: ebpf.SchedCLS},
	} {
		kind := like.Type
		program := func(n int) *ebpf.Program { // multiplies n times if byte 50 is 7, which it then is not
			ins := asm.Instructions{asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), asm.LoadMem(asm.R3, asm.R1, 4, asm.Word)}
			if kind == ebpf.SchedCLS {
				ins = asm.Instructions{asm.LoadMem(asm.R2, asm.R1, 76, asm.Word), asm.LoadMem(asm.R3, asm.R1, 80, asm.Word)}
			}
			ins = append(ins, asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 100), asm.Mov.Imm(asm.R0, 1), asm.JGT.Reg(asm.R4, asm.R3, "out"),
				asm.LoadMem(asm.R5, asm.R2, 50, asm.Byte), asm.JNE.Imm(asm.R5, 7, "out"), asm.StoreImm(asm.R2, 50, 8, asm.Byte))
			for range n {
				ins = append(ins, asm.Mul.Imm(asm.R5, 5))
			}
			p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: kind, AttachType: like.AttachType, Flags: like.Flags, License: "GPL",
				Instructions: append(ins, asm.Return().WithSymbol("out"))})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		got, err := Compare(t.Context(), Traffic{Packet: packet, Like: like}, func(_ context.Context, of Side) (*ebpf.Program, func() error, error) {
			p := program([2]int{400, 440}[of])
			return p, p.Close, nil
		}, Options{Loads: 20, Time: 20 * time.Millisecond})
		t.Logf("%v: %+v", kind, got)
		if err != nil || got.Low <= 0 || got.Change < 0.06 || got.Change > 0.14 {
			t.Errorf("%v: %v, B differs by %+.2f %%", kind, err, 100*got.Change)
		}
	}
	xdp := &ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP}
	l, err := newLoop(Traffic{Packet: packet, Like: xdp})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R2, -1), asm.FnXdpAdjustTail.Call(), asm.Mov.Imm(asm.R0, 1), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := l.run(t.Context(), p, p, time.Millisecond); err == nil || !strings.Contains(err.Error(), "cannot be given its packet again") {
		t.Errorf("a program that moves the tail: %v", err)
	}
	if _, err := newLoop(Traffic{Packet: make([]byte, 4000), Like: xdp}); err == nil {
		t.Error("a packet of 4000 bytes fits")
	}
}

// turning is an XDP program that drops one packet in eight once it has seen many. Its multiplications make it take many times as long as
// the loop that calls it, whose own time varies.
func turning(t *testing.T) (*ebpf.Program, func() error) {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	ins := asm.Instructions{asm.Mov.Imm(asm.R6, 3)}
	for range 400 {
		ins = append(ins, asm.Mul.Imm(asm.R6, 5))
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", Instructions: append(ins,
		asm.StoreImm(asm.RFP, -4, 0, asm.Word), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, m.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "forward"), asm.LoadMem(asm.R6, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R6, 1), asm.StoreMem(asm.R0, 0, asm.R6, asm.DWord),
		asm.JLT.Imm(asm.R6, 50_000, "forward"), asm.And.Imm(asm.R6, 7), asm.JNE.Imm(asm.R6, 0, "forward"), asm.Mov.Imm(asm.R0, 1), asm.Return(),
		asm.Mov.Imm(asm.R0, 3).WithSymbol("forward"), asm.Return(),
	)})
	if err != nil {
		t.Fatal(err)
	}
	return p, func() error { return errors.Join(p.Close(), m.Close()) }
}

// TestTurning: a program that drops packets later than the first look sees is no faster one, unless both do.
func TestTurning(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		a, b bool
		want string
	}{{false, true, "it gives 16 of 128 packets another verdict than XDP_TX, and A none"}, {true, false, "it gives 16 of 128 packets another verdict than XDP_TX, and B none"}, {true, true, ""}} {
		_, err := Compare(t.Context(), Traffic{Family: 4, Flows: 1}, func(_ context.Context, of Side) (*ebpf.Program, func() error, error) {
			if [2]bool{c.a, c.b}[of] {
				p, done := turning(t)
				return p, done, nil
			}
			p := multiplying(t, 40, 3)
			return p, p.Close, nil
		}, Options{Loads: 4, Time: time.Millisecond})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
