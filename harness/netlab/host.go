// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// linkName is the name of a host's one link, inside.
const linkName = "eth0"

// A Host is one namespace of a segment.
type Host struct {
	Name    string // of the namespace
	NSPath  string // where the namespace is pinned
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

// makeFirst makes the first host of a network under the first name that no other network of this process has: role, role.2
// and so on. The suffix belongs to the names of all hosts of the network.
func makeFirst(role string, settings ...[]setting) (h *Host, suffix string, err error) {
	for n := 1; ; n++ {
		if n > 1 {
			suffix = fmt.Sprintf(".%d", n)
		}
		if h, err = makeHost(role+suffix, 0, settings...); !errors.Is(err, os.ErrExist) || n >= 100 {
			return h, suffix, err
		}
	}
}

// makeHost makes a namespace with its settings and lo up.
func makeHost(role string, parent int, settings ...[]setting) (*Host, error) {
	name := owner.Prefix + owner.Self() + "-" + role
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
	return h, harness.Wrap(h.handle.LinkSetUp(lo), "set lo of %s up", name)
}

// Do runs f on a locked thread inside the host's namespace. Sockets and processes made in f stay there.
func (h *Host) Do(f func() error) error { return sys.InNSOf(h.ns, f) }

// Handle configures the host's network from any thread. It is valid until the segment closes.
func (h *Host) Handle() *netlink.Handle { return h.handle }

// Site describes a balancer host to a variant. clientMTU is Options.ClientMTU, in bytes.
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

// SetXDP replaces the program on the port atomically; nil restores the program that passes everything. The caller keeps prog;
// the port holds a reference of its own.
func (p *Port) SetXDP(prog *ebpf.Program) error {
	return harness.Wrap(p.xdp.Update(cmp.Or(prog, p.pass)), "set program of port %s", p.Name)
}

// Do runs f on a locked thread inside the fabric's namespace.
func (p *Port) Do(f func() error) error { return sys.InNSOf(p.fabric, f) }

// attachXDP puts a program on a link of the namespace.
func attachXDP(ns, ifindex int, prog *ebpf.Program) (l link.Link, err error) {
	err = sys.InNSOf(ns, func() error {
		l, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: ifindex, Flags: link.XDPDriverMode})
		return err
	})
	return l, harness.Wrap(err, "attach XDP program")
}

// close frees the host's resources and its name. Its link must have been deleted.
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
