// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// linkName is what every host calls its one link.
const linkName = "eth0"

// A Host is one namespace of a segment.
type Host struct {
	Name    string // of the namespace
	NSPath  string // what it is pinned as
	Role    Role
	Index   int    // among the hosts of its role
	Link    string // name of its link, inside
	Ifindex int    // of the link, inside
	MAC     net.HardwareAddr
	Addr4   netip.Prefix
	Addr6   netip.Prefix
	MTU     int   // of the link, bytes of IP packet
	Port    *Port // the fabric's side of the link

	ns     int // descriptor of the namespace
	handle *netlink.Handle
	xdp    link.Link // program on eth0; nil on balancers
}

// A Port is the fabric's end of a host's veth.
type Port struct {
	Name    string
	Ifindex int // inside the fabric

	fabric int // descriptor of the fabric's namespace
	pass   *ebpf.Program
	xdp    link.Link
}

// makeHost makes a namespace with its settings, lo up, without a link.
func makeHost(role string, parent int, settings ...[]setting) (*Host, error) {
	name := namePrefix + ownerName() + "-" + role
	fd, err := makeNS(name, parent)
	if err != nil {
		return nil, err
	}
	h := &Host{Name: name, NSPath: filepath.Join(nsDir, name), ns: fd}
	if err := h.Do(func() error { return apply(settings...) }); err != nil {
		return h, err
	}
	if h.handle, err = netlink.NewHandleAt(netns.NsHandle(fd), unix.NETLINK_ROUTE); err != nil {
		return h, fmt.Errorf("open netlink in %s: %w", name, err)
	}
	lo, err := h.handle.LinkByName("lo")
	if err != nil {
		return h, fmt.Errorf("find lo in %s: %w", name, err)
	}
	if err := h.handle.LinkSetUp(lo); err != nil {
		return h, fmt.Errorf("set lo of %s up: %w", name, err)
	}
	return h, nil
}

// Do runs f on a locked thread inside the host's namespace. Sockets and processes made in f stay there.
func (h *Host) Do(f func() error) error { return sys.InNSOf(h.ns, f) }

// Handle configures the host's network from any thread. It is valid until the segment closes.
func (h *Host) Handle() *netlink.Handle { return h.handle }

// Site describes a balancer host to what is put in force there. clientMTU is Options.ClientMTU, in bytes.
func (h *Host) Site(clientMTU int, cgroup string, seed uint64) harness.Site {
	return harness.Site{
		NS: h.NSPath, Link: h.Link, Ifindex: h.Ifindex, MAC: h.MAC, Addr4: h.Addr4, Addr6: h.Addr6,
		MTU: h.MTU, ClientMTU: clientMTU, Cgroup: cgroup, Seed: seed,
	}
}

// Thread moves the receive work of the host's link into a kernel thread on one CPU.
func (h *Host) Thread(cpu int) (*NAPIThread, error) {
	return newNAPIThread(h.ns, h.Link, h.Ifindex, cpu)
}

// Thread moves the receive work of the port into a kernel thread on one CPU.
func (p *Port) Thread(cpu int) (*NAPIThread, error) {
	return newNAPIThread(p.fabric, p.Name, p.Ifindex, cpu)
}

// SetXDP replaces the program on the port, at once and without a gap; nil puts the one back that passes everything.
// The caller keeps prog; the port holds its own reference.
func (p *Port) SetXDP(prog *ebpf.Program) error {
	if prog == nil {
		prog = p.pass
	}
	if err := p.xdp.Update(prog); err != nil {
		return fmt.Errorf("set program of port %s: %w", p.Name, err)
	}
	return nil
}

// Do runs f on a locked thread inside the fabric's namespace.
func (p *Port) Do(f func() error) error { return sys.InNSOf(p.fabric, f) }

// attachXDP puts a program on a link of the namespace.
func attachXDP(ns, ifindex int, prog *ebpf.Program) (l link.Link, err error) {
	err = sys.InNSOf(ns, func() error {
		l, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifindex, Flags: link.XDPDriverMode})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attach XDP program: %w", err)
	}
	return l, nil
}

// close gives the host's resources and its name back. Its link must be gone already.
func (h *Host) close() error {
	var errs []error
	if h.xdp != nil {
		errs = append(errs, h.xdp.Close())
	}
	if h.Port != nil && h.Port.xdp != nil {
		errs = append(errs, h.Port.xdp.Close())
	}
	if h.handle != nil {
		h.handle.Close()
	}
	errs = append(errs, unix.Close(h.ns), removeNS(h.Name))
	return errors.Join(errs...)
}
