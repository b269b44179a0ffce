// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/sys"
)

// A segmentLab is a bridge with a client, a balancer and reals, each in a namespace that lives as long as the test: nothing
// names it.
type segmentLab struct {
	t      testing.TB
	client string // path of the namespace
	at     harness.Site
	reals  []string
}

func needRoot(t testing.TB) {
	t.Helper()
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("needs root and namespaces")
	}
}

// newSegmentLab makes one. Reals answer on the ports 80 and 8080 with their number, TCP and UDP, at every address of
// the range of services, too.
func newSegmentLab(t testing.TB, reals int) *segmentLab {
	needRoot(t)
	p := &segmentLab{t: t}
	fabric := p.namespace()
	p.in(fabric, func(h *netlink.Handle) error {
		snooping := false // it would hold back neighbour solicitations at first
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", Flags: net.FlagUp},
			MulticastSnooping: &snooping})
	})
	p.client, _ = p.host(fabric, 1)
	var index int
	p.at.NS, index = p.host(fabric, 10)
	p.at.Link, p.at.Ifindex = "eth0", index
	p.at.Addr4, p.at.Addr6 = netip.MustParsePrefix("198.18.0.10/16"), netip.MustParsePrefix("2001:2::a/64")
	via := func(h *netlink.Handle, dst string, local bool) error {
		_, n, err := net.ParseCIDR(dst)
		if err != nil {
			return err
		}
		if local {
			return h.RouteReplace(&netlink.Route{LinkIndex: 1, Dst: n, Type: unix.RTN_LOCAL,
				Scope: netlink.SCOPE_HOST, Table: unix.RT_TABLE_LOCAL})
		}
		gw := p.at.Addr4.Addr()
		if n.IP.To4() == nil {
			gw = p.at.Addr6.Addr()
		}
		eth0, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		return h.RouteReplace(&netlink.Route{LinkIndex: eth0.Attrs().Index, Dst: n, Gw: gw.AsSlice()})
	}
	// As a node of a cluster does, the balancer has a way for everything: what it does not translate is forwarded, and
	// refused there.
	for _, gw := range []string{"198.18.0.1", "2001:2::1"} {
		p.in(p.at.NS, func(h *netlink.Handle) error {
			return h.RouteReplace(&netlink.Route{LinkIndex: index, Gw: net.ParseIP(gw)})
		})
	}
	for _, dst := range []string{"198.19.128.0/17", "2001:2:0:2::/64"} {
		p.in(p.client, func(h *netlink.Handle) error { return via(h, dst, false) })
	}
	for i := range reals {
		ns, _ := p.host(fabric, 0x101+i)
		p.reals = append(p.reals, ns)
		for _, dst := range []string{"198.18.0.1/32", "2001:2::1/128"} {
			p.in(ns, func(h *netlink.Handle) error { return via(h, dst, false) })
		}
		for _, dst := range []string{"198.19.128.0/17", "2001:2:0:2::/64"} {
			p.in(ns, func(h *netlink.Handle) error { return via(h, dst, true) })
		}
		p.serve(ns, fmt.Sprint(i))
	}
	return p
}

// namespace makes a network namespace and returns its path, which is good for this process.
func (p *segmentLab) namespace() string {
	p.t.Helper()
	made := make(chan netns.NsHandle, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		h, err := netns.New()
		if err != nil {
			h = netns.None()
		}
		made <- h
	}()
	h := <-made
	if !h.IsOpen() {
		p.t.Fatal("no new network namespace")
	}
	p.t.Cleanup(func() { h.Close() })
	path := fmt.Sprintf("/proc/self/fd/%d", int(h))
	p.in(path, func(h *netlink.Handle) error {
		// An address in doubt for its first second holds up whatever asks for a neighbour: the first connection would be begun twice.
		// And IPv6 has no switch for sending redirects: who is told the better way must not take it.
		for _, path := range []string{"ipv6/conf/default/accept_dad", "ipv6/conf/default/accept_redirects"} {
			if _, err := place.SetSysctl(path, "0"); err != nil {
				return err
			}
		}
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		return h.LinkSetUp(lo)
	})
	return path
}

func (p *segmentLab) in(path string, f func(h *netlink.Handle) error) {
	p.t.Helper()
	if err := sys.InNS(path, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		return f(h)
	}); err != nil {
		p.t.Fatal(err)
	}
}

// host makes a namespace with the link eth0 on the bridge and the addresses of number n.
func (p *segmentLab) host(fabric string, n int) (path string, index int) {
	p.t.Helper()
	path = p.namespace()
	fd, err := netns.GetFromPath(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer fd.Close()
	port := fmt.Sprintf("p%x", n)
	p.in(fabric, func(h *netlink.Handle) error {
		br, err := h.LinkByName("br0")
		if err != nil {
			return err
		}
		return h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: port, MasterIndex: br.Attrs().Index,
			Flags: net.FlagUp}, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(fd))})
	})
	p.in(path, func(h *netlink.Handle) error {
		eth0, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		index = eth0.Attrs().Index
		for _, a := range []string{fmt.Sprintf("198.18.%d.%d/16", n>>8, n&0xff), fmt.Sprintf("2001:2::%x/64", n)} {
			addr, err := netlink.ParseAddr(a)
			if err != nil {
				return err
			}
			addr.Flags = unix.IFA_F_NODAD
			if err := h.AddrAdd(eth0, addr); err != nil {
				return err
			}
		}
		return h.LinkSetUp(eth0)
	})
	return path, index
}
