// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// linkGroup marks every link of the fabric, so that one request deletes them all: links that are deleted one by one take a
// grace period each.
const linkGroup = 0x4b58

// roleNames are parts of the names of namespaces and ports.
var roleNames = [...]string{RoleClient: "client", RoleBalancer: "balancer", RoleReal: "real"}

// addHost makes a host, connects it to the bridge and adds neighbour entries between it and all others. A host that is
// incomplete is returned beside the error, for Close.
func (s *Segment) addHost(role Role, i int) (*Host, error) {
	name := roleNames[role]
	if role != RoleClient {
		name = fmt.Sprintf("%s%d", name, i)
	}
	own := ends
	if role == RoleBalancer {
		own = routers
	}
	h, err := makeHost(name+s.suffix, s.Fabric.ns, common, own)
	if err != nil {
		return h, err
	}
	h.Role, h.Index, h.Link, h.MTU, h.MAC = role, i, linkName, s.opts.MTU, MAC(role, i)
	h.Addr4, h.Addr6 = Addresses(role, i)
	if err := s.connect(h, name); err != nil {
		return h, fmt.Errorf("connect %s: %w", name, err)
	}
	if err := s.address(h); err != nil {
		return h, fmt.Errorf("address %s: %w", name, err)
	}
	for _, other := range s.hosts() {
		if other == h {
			continue
		}
		err := other.addNeighbour(h)
		if other.Role == RoleBalancer && role == RoleBalancer {
			err = nil // no balancer sends to another, and a variant may have removed the other's link
		}
		if err = errors.Join(h.addNeighbour(other), err); err != nil {
			return h, fmt.Errorf("add neighbours of %s: %w", name, err)
		}
	}
	return h, nil
}

// A step is one operation of several that follow one another.
type step struct {
	name string
	run  func() error
}

// inOrder runs steps until one fails. Its error begins with the name of that step, if it has one.
func inOrder(steps ...step) error {
	for _, s := range steps {
		if err := s.run(); err != nil && s.name != "" {
			return fmt.Errorf("%s: %w", s.name, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// connect makes the host's veth, with its port on the bridge, and sets both ends up.
func (s *Segment) connect(h *Host, port string) (err error) {
	fabric := s.Fabric.handle
	veth := newVeth(port, linkName, s.opts.MTU, portMAC(h.Role, h.Index), h.MAC, h.ns)
	if err := fabric.LinkAdd(veth); err != nil {
		return fmt.Errorf("make veth: %w", markUnsupported(err))
	}
	h.Port = &Port{Name: port, Ifindex: veth.Index, fabric: s.Fabric.ns, pass: s.pass}
	inside, err := h.handle.LinkByName(linkName)
	if err != nil {
		return fmt.Errorf("find link: %w", err)
	}
	h.Ifindex = inside.Attrs().Index
	// The bridge never has to learn where the host is. NOARP is static in bridge(8); PERMANENT would be an address of the
	// bridge's own.
	entry := &netlink.Neigh{LinkIndex: h.Port.Ifindex, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER,
		State: netlink.NUD_NOARP, HardwareAddr: h.MAC}
	return inOrder(
		step{"", func() error { return h.Do(func() error { return noOffloads(linkName) }) }},
		step{"", func() error { return h.Port.Do(func() error { return noOffloads(port) }) }},
		step{"", func() (err error) {
			switch h.Role {
			case RoleClient:
				h.xdp, err = attachXDP(h.ns, h.Ifindex, s.pass)
			case RoleReal:
				h.xdp, err = attachXDP(h.ns, h.Ifindex, s.decap.Programs["decap"])
			}
			return err
		}},
		step{"", func() (err error) { h.Port.xdp, err = attachXDP(s.Fabric.ns, h.Port.Ifindex, s.pass); return err }},
		step{"add port to bridge", func() error { return fabric.LinkSetMasterByIndex(veth, s.bridge) }},
		step{"switch off learning and flooding", func() error {
			return h.Port.Do(func() error { return isolatePort(h.Port.Ifindex) })
		}},
		step{"add bridge entry", func() error { return fabric.NeighSet(entry) }},
		step{"set port up", func() error { return fabric.LinkSetUp(veth) }},
		step{"set link up", func() error { return h.handle.LinkSetUp(inside) }},
	)
}

// newVeth describes a veth of the lab's group whose peer is in the namespace ns.
func newVeth(name, peer string, mtu int, mac, peerMAC net.HardwareAddr, ns int) *netlink.Veth {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group, attrs.HardwareAddr = name, mtu, linkGroup, mac
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr, veth.PeerNamespace = peer, uint32(mtu), peerMAC, netlink.NsFd(ns)
	return veth
}

// isolatePort switches off learning and flooding of a bridge port, so that the port carries only frames to its host.
// Otherwise IPv6 multicast would reach every balancer and count as its work.
func isolatePort(port int) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
	msg.Index = int32(port)
	req.AddData(msg)
	flags := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	for _, flag := range []int{nl.IFLA_BRPORT_LEARNING, nl.IFLA_BRPORT_UNICAST_FLOOD, nl.IFLA_BRPORT_MCAST_FLOOD, nl.IFLA_BRPORT_BCAST_FLOOD} {
		flags.AddRtAttr(flag, []byte{0})
	}
	req.AddData(flags)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// settle waits until both ends of the hosts' links are up for the kernel, which sets that state later, from a queue: until
// then a port forwards nothing and a link drops its packets.
func (s *Segment) settle(ctx context.Context, hosts ...*Host) error {
	deadline := time.Now().Add(5 * time.Second)
	for _, h := range hosts {
		for !isUp(h.handle, h.Ifindex) || !isUp(s.Fabric.handle, h.Port.Ifindex) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("wait for the link of %s: not up after 5 s", h.Name)
			}
			time.Sleep(200 * time.Microsecond)
		}
	}
	return nil
}

func isUp(h *netlink.Handle, ifindex int) bool {
	l, err := h.LinkByIndex(ifindex)
	return err == nil && l.Attrs().OperState == netlink.OperUp
}

// addNeighbour adds other to h's permanent neighbours, in both IP families.
func (h *Host) addNeighbour(other *Host) error {
	for _, ip := range []netip.Addr{other.Addr4.Addr(), other.Addr6.Addr()} {
		if err := h.handle.NeighSet(neighbour(h.Ifindex, ip, other.MAC)); err != nil {
			return err
		}
	}
	return nil
}

// neighbour is a permanent neighbour entry.
func neighbour(ifindex int, ip netip.Addr, mac net.HardwareAddr) *netlink.Neigh {
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	return &netlink.Neigh{LinkIndex: ifindex, Family: family, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac}
}

// deleteLinks deletes all links of the lab's group in a namespace, and with them their peers in other namespaces. It
// returns when all are deleted.
func deleteLinks(ns int) error {
	err := sys.InNSOf(ns, func() error {
		req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(linkGroup)))
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if errors.Is(err, unix.ENODEV) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return harness.Wrap(err, "delete links")
}
