// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// testLiveFrames is BPF_F_TEST_XDP_LIVE_FRAMES of linux/bpf.h.
const testLiveFrames = 1 << 1

// nativeXDP attaches a program that passes everything to a veth, in the driver's mode.
func nativeXDP(context.Context) (string, error) {
	return "", withVeth(func(index int) error {
		p, err := constant(ebpf.XDP, 2) // XDP_PASS
		if err != nil {
			return err
		}
		defer p.Close()
		l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: index, Flags: link.XDPDriverMode})
		if err != nil {
			return unsupported("native XDP", err)
		}
		return l.Close()
	})
}

// tcx attaches a program that passes everything to a veth's ingress.
func tcx(context.Context) (string, error) {
	return "", withVeth(func(index int) error {
		p, err := constant(ebpf.SchedCLS, -1) // TCX_NEXT
		if err != nil {
			return err
		}
		defer p.Close()
		l, err := link.AttachTCX(link.TCXOptions{Program: p, Interface: index, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return unsupported("tcx", err)
		}
		return l.Close()
	})
}

// liveFrames has a program that drops everything run on real frames.
func liveFrames(context.Context) (string, error) {
	p, err := constant(ebpf.XDP, 1) // XDP_DROP
	if err != nil {
		return "", err
	}
	defer p.Close()
	_, err = p.Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: 64, Flags: testLiveFrames})
	return "", unsupported("live XDP frames", err)
}

// constant loads a program that returns a number.
func constant(t ebpf.ProgramType, v int32) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: t, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, int64(v), asm.DWord), asm.Return()},
	})
	if err != nil {
		return nil, short(unsupported("BPF programs of type "+t.String(), err))
	}
	return p, nil
}

// withVeth calls f with the index of a veth that is up, and removes it again.
func withVeth(f func(index int) error) error {
	v := &netlink.Veth{PeerName: "kxprobe1"}
	v.LinkAttrs.Name = "kxprobe0"
	if err := netlink.LinkAdd(v); err != nil {
		return unsupported("veth", err)
	}
	l, err := netlink.LinkByName("kxprobe0")
	if err == nil {
		err = netlink.LinkSetUp(l)
	}
	if err == nil {
		err = f(l.Attrs().Index)
	}
	if derr := netlink.LinkDel(v); derr != nil {
		err = errors.Join(err, fmt.Errorf("remove veth: %w", derr))
	}
	return err
}
