// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness"
)

// testLiveFrames is BPF_F_TEST_XDP_LIVE_FRAMES of linux/bpf.h.
const testLiveFrames = 1 << 1

// nativeXDP attaches a program that passes everything to a veth, in the driver's mode.
func nativeXDP(context.Context) (string, error) {
	return "", attach("native XDP", ebpf.XDP, 2, func(p *ebpf.Program, index int) (link.Link, error) { // XDP_PASS
		return link.AttachXDP(link.XDPOptions{Program: p, Interface: index, Flags: link.XDPDriverMode})
	})
}

// tcx attaches a program that passes everything to a veth's ingress.
func tcx(context.Context) (string, error) {
	return "", attach("tcx", ebpf.SchedCLS, -1, func(p *ebpf.Program, index int) (link.Link, error) { // TCX_NEXT
		return link.AttachTCX(link.TCXOptions{Program: p, Interface: index, Attach: ebpf.AttachTCXIngress})
	})
}

// attach attaches a program that returns a number to a veth by f, and detaches it.
func attach(what string, t ebpf.ProgramType, result int32, f func(p *ebpf.Program, index int) (link.Link, error)) error {
	return withVeth(func(index int) error {
		p, err := constant(t, result)
		if err != nil {
			return err
		}
		defer p.Close()
		l, err := f(p, index)
		if err != nil {
			return unsupported(what, err)
		}
		return l.Close()
	})
}

// liveFrames runs a program that drops everything on real frames.
func liveFrames(context.Context) (string, error) {
	p, err := constant(ebpf.XDP, 1) // XDP_DROP
	if err != nil {
		return "", err
	}
	defer p.Close()
	_, err = p.Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: 64, Flags: testLiveFrames})
	return "", unsupported("live XDP frames", err)
}

// constant loads a program that returns a number. Its error has the first line of the verifier's log only.
func constant(t ebpf.ProgramType, v int32) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: t, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, int64(v), asm.DWord), asm.Return()},
	})
	if err != nil {
		first, _, _ := strings.Cut(unsupported("BPF programs of type "+t.String(), err).Error(), "\n")
		return nil, errors.New(first)
	}
	return p, nil
}

// withVeth makes a veth, sets it up, calls f with its index and removes the veth.
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
	return errors.Join(err, harness.Wrap(netlink.LinkDel(v), "remove veth"))
}
