// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
)

// A sockAddr is struct bpf_sock_addr up to its protocol.
type sockAddr struct {
	UserFamily uint32
	UserIP4    [4]byte
	UserIP6    [16]byte
	UserPort   uint32 // network order
	Family     uint32
	Type       uint32
	Protocol   uint32
}

// TestSockProtocol: a service's protocol is a byte, and a socket's is not cut to one: that of MPTCP, 262, would be TCP's.
// No socket of this kernel comes to the hooks with such a number (that of MPTCP comes by the TCP socket below it), and
// the kernel runs no program of theirs for tests. So the test runs the instructions of connect4 as a program whose
// context is plain memory, with a constant for the socket's cookie.
func TestSockProtocol(t *testing.T) {
	needRoot(t)
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	spec, err := Open("lb/sock_connect")
	if err != nil {
		t.Fatal(err)
	}
	p := spec.Programs["connect4"]
	spec.Programs = map[string]*ebpf.ProgramSpec{"connect4": p}
	p.Type, p.AttachType, p.Flags = ebpf.Syscall, ebpf.AttachNone, p.Flags|1<<4 // BPF_F_SLEEPABLE
	for i, ins := range p.Instructions {
		if ins.IsBuiltinCall() && asm.BuiltinFunc(ins.Constant) == asm.FnGetSocketCookie {
			p.Instructions[i] = asm.Mov.Imm(asm.R0, 1).WithMetadata(ins.Metadata)
		}
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer c.Close()
	r := &natRig{Collection: c, reals: 1}
	r.setReal(t, 4, 0, 0)
	r.setRings(t, 0)
	r.setService(t, 0, generation(0), 0)
	for _, c2 := range []struct {
		protocol uint32
		want     bool // the service's
	}{
		{protoTCP, true}, {protoUDP, true}, {1, false},
		{262, false}, {256 + protoUDP, false}, {1<<16 | protoTCP, false}, {255, false}, {256, false},
	} {
		in := sockAddr{UserFamily: 2, UserIP4: vip(4, 0).As4(), UserPort: 80 << 8, Family: 2, Protocol: c2.protocol}
		var out sockAddr
		verdict, err := c.Programs["connect4"].Run(&ebpf.RunOptions{Context: in, ContextOut: &out})
		if err != nil {
			t.Fatal(err)
		}
		if got := out.UserIP4 == realAddr(4, 0).As4(); verdict != 1 || got != c2.want || !got && out != in {
			t.Errorf("protocol %d: verdict %d, address %v; want the service's: %v", c2.protocol, verdict, out.UserIP4, c2.want)
		}
	}
}
