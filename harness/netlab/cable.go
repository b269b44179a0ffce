// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// linkGroup marks every link of the fabric, so that one request deletes them all: links deleted one by one wait for
// one another's grace periods.
const linkGroup = 0x4b58

// names of roles, in names of namespaces and ports.
var roleNames = [...]string{RoleClient: "client", RoleBalancer: "balancer", RoleReal: "real"}

// addHost makes a host, plugs it in and makes it and all others known to one another. A host that is half made is
// returned beside the error, for Close.
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
	h.Role, h.Index, h.Link, h.MTU = role, i, linkName, s.opts.MTU
	h.MAC = MAC(role, i)
	h.Addr4, h.Addr6 = Addresses(role, i)
	if err := s.plug(h, name); err != nil {
		return h, fmt.Errorf("plug in %s: %w", name, err)
	}
	if err := s.address(h); err != nil {
		return h, fmt.Errorf("address %s: %w", name, err)
	}
	for _, other := range s.hosts() {
		if other == h {
			continue
		}
		if err := errors.Join(h.addNeighbour(other), other.addNeighbour(h)); err != nil {
			return h, fmt.Errorf("make %s known: %w", name, err)
		}
	}
	return h, nil
}

// plug makes the host's veth, with its port on the bridge.
func (s *Segment) plug(h *Host, port string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group = port, s.opts.MTU, linkGroup
	attrs.HardwareAddr = portMAC(h.Role, h.Index)
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr = linkName, uint32(s.opts.MTU), h.MAC
	veth.PeerNamespace = netlink.NsFd(h.ns)
	fabric := s.Fabric.handle
	if err := fabric.LinkAdd(veth); err != nil {
		return fmt.Errorf("make veth: %w", isUnsupported(err))
	}
	h.Port = &Port{Name: port, Ifindex: veth.Index, fabric: s.Fabric.ns, pass: s.pass}
	inside, err := h.handle.LinkByName(linkName)
	if err != nil {
		return fmt.Errorf("find link: %w", err)
	}
	h.Ifindex = inside.Attrs().Index
	if err := h.Do(func() error { return noOffloads(linkName) }); err != nil {
		return err
	}
	if err := h.Port.Do(func() error { return noOffloads(port) }); err != nil {
		return err
	}
	switch h.Role {
	case RoleClient:
		h.xdp, err = attachXDP(h.ns, h.Ifindex, s.pass)
	case RoleReal:
		h.xdp, err = attachXDP(h.ns, h.Ifindex, s.decap.Programs["decap"])
	}
	if err != nil {
		return err
	}
	if h.Port.xdp, err = attachXDP(s.Fabric.ns, h.Port.Ifindex, s.pass); err != nil {
		return err
	}
	return s.patch(h, veth, inside)
}

// patch puts the port on the bridge, which never has to learn where the host is, and sets both ends up.
func (s *Segment) patch(h *Host, port, inside netlink.Link) error {
	fabric := s.Fabric.handle
	if err := fabric.LinkSetMasterByIndex(port, s.bridge); err != nil {
		return fmt.Errorf("add port to bridge: %w", err)
	}
	if err := h.Port.Do(func() error { return isolatePort(h.Port.Ifindex) }); err != nil {
		return fmt.Errorf("switch off learning and flooding: %w", err)
	}
	// NOARP is what bridge(8) calls static. PERMANENT would mean an address of the bridge's own.
	entry := &netlink.Neigh{LinkIndex: h.Port.Ifindex, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER,
		State: netlink.NUD_NOARP, HardwareAddr: h.MAC}
	if err := fabric.NeighSet(entry); err != nil {
		return fmt.Errorf("add bridge entry: %w", err)
	}
	if err := fabric.LinkSetUp(port); err != nil {
		return fmt.Errorf("set port up: %w", err)
	}
	if err := h.handle.LinkSetUp(inside); err != nil {
		return fmt.Errorf("set link up: %w", err)
	}
	return nil
}

// isolatePort turns learning and flooding off on a bridge port, so that the port carries frames to its host only.
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

// settle waits until the kernel has noticed that both ends of the hosts' links are up, which it does a moment later, from
// a queue: until then a port forwards nothing and a link drops what it is given.
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
	for _, p := range []struct {
		family int
		ip     []byte
	}{{unix.AF_INET, other.Addr4.Addr().AsSlice()}, {unix.AF_INET6, other.Addr6.Addr().AsSlice()}} {
		n := &netlink.Neigh{LinkIndex: h.Ifindex, Family: p.family, State: netlink.NUD_PERMANENT, IP: p.ip, HardwareAddr: other.MAC}
		if err := h.handle.NeighSet(n); err != nil {
			return fmt.Errorf("add neighbour: %w", err)
		}
	}
	return nil
}

// deleteLinks deletes all links of the lab's group in a namespace, and with them the ends in other namespaces, and
// returns when all are deleted.
func deleteLinks(ns int) error {
	err := sys.InNSOf(ns, func() error {
		req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(linkGroup)))
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete links: %w", err)
	}
	return nil
}
