// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// An xdpLink is a BPF link at XDP, which is updated.
type xdpLink struct {
	at   harness.Site
	link link.Link
}

func (x *xdpLink) put(p *ebpf.Program) (err error) {
	x.link, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: x.at.Ifindex, Flags: link.XDPDriverMode})
	return hookError(err, "attach XDP to %s", x.at.Link)
}

func (x *xdpLink) replace(p *ebpf.Program) error {
	return harness.Wrap(x.link.Update(p), "update XDP link of %s", x.at.Link)
}

func (x *xdpLink) close() error {
	if x.link == nil {
		return nil
	}
	l := x.link
	x.link = nil
	return harness.Wrap(l.Close(), "detach XDP from %s", x.at.Link)
}

// An xdpDetach detaches and attaches: there is no program in between.
type xdpDetach struct{ xdpLink }

func (x *xdpDetach) replace(p *ebpf.Program) error {
	if err := x.close(); err != nil {
		return err
	}
	return x.put(p)
}

// An xdpNone replaces nothing.
type xdpNone struct{ xdpLink }

func (*xdpNone) replace(*ebpf.Program) error { return nil }

// An xdpNetlink is a program at XDP that a netlink message overwrites.
type xdpNetlink struct{ at harness.Site }

func (x *xdpNetlink) put(p *ebpf.Program) error { return x.set(p.FD()) }

func (x *xdpNetlink) replace(p *ebpf.Program) error { return x.set(p.FD()) }

func (x *xdpNetlink) close() error { return x.set(-1) }

// set sets the program of a descriptor; -1: none.
func (x *xdpNetlink) set(fd int) error {
	dev := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: x.at.Ifindex}}
	return hookError(netlink.LinkSetXdpFdWithFlags(dev, fd, int(link.XDPDriverMode)), "set XDP program of %s", x.at.Link)
}

// hookError says which operation failed. A hook that the kernel lacks is not supported.
func hookError(err error, format string, args ...any) error {
	if errors.Is(err, link.ErrNotSupported) || errors.Is(err, unix.EOPNOTSUPP) {
		return harness.Skip("%s: this kernel cannot: %v", fmt.Sprintf(format, args...), err)
	}
	return harness.Wrap(err, format, args...)
}
