// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// flushConntrack forgets the connections of both IP families.
func (k *kernel) flushConntrack() error {
	if err := k.handle.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
		return fmt.Errorf("flush conntrack: %w", err)
	}
	return nil
}

// conntrackMax reads how many connections may be tracked in the namespace.
func (k *kernel) conntrackMax() (n int) {
	_ = sys.InNS(k.at.NS, func() error {
		v, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_max")
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(string(v)))
		}
		return err
	})
	return n
}

// forgetStale deletes the UDP connections that lead to backends which their service no longer has, or which began
// before the service was added or while it had no backends: UDP has no end that conntrack could see, so they would lead
// there, or nowhere, for as long as packets come. kube-proxy does the same when a service gets its first endpoint.
// A drained backend keeps its connections. TCP connections are left to break at the backend.
func (k *kernel) forgetStale(old, now []service.Service) error {
	stale := staleUDP(old, now)
	for _, f := range [...]struct {
		ip     ipFamily
		number netlink.InetFamily
	}{{ipv4, unix.AF_INET}, {ipv6, unix.AF_INET6}} {
		filter := staleFilter{}
		for vip, backends := range stale {
			if familyOf(vip.Addr()) == f.ip {
				filter[vip] = backends
			}
		}
		if len(filter) == 0 {
			continue
		}
		if _, err := k.handle.ConntrackDeleteFilters(netlink.ConntrackTable, f.number, filter); err != nil {
			return fmt.Errorf("delete stale UDP connections: %w", err)
		}
	}
	return nil
}

// A staleFilter holds, for each UDP service that was added, lost a backend or got its first, the backends it has now.
type staleFilter map[netip.AddrPort]map[netip.AddrPort]bool

// MatchConntrackFlow says whether the connection is to be deleted.
func (s staleFilter) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	if f.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	backends, ok := s[addrPort(f.Forward.DstIP, f.Forward.DstPort)]
	return ok && !backends[addrPort(f.Reverse.SrcIP, f.Reverse.SrcPort)]
}

func addrPort(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip) // invalid for no address: matches nothing
	return netip.AddrPortFrom(a.Unmap(), port)
}

// staleUDP compares the UDP services before with those now.
func staleUDP(old, now []service.Service) staleFilter {
	stale := staleFilter{}
	has := map[netip.AddrPort]map[netip.AddrPort]bool{}
	for i := range now {
		if s := &now[i]; s.Proto == harness.UDP {
			set := map[netip.AddrPort]bool{}
			for _, b := range s.Backends {
				set[b.Addr] = true
			}
			has[s.VIP] = set
		}
	}
	known := map[netip.AddrPort]bool{}
	for i := range old {
		s := &old[i]
		if s.Proto != harness.UDP {
			continue
		}
		known[s.VIP] = true
		if len(s.Backends) == 0 && len(has[s.VIP]) > 0 {
			stale[s.VIP] = has[s.VIP]
		}
		for _, b := range s.Backends {
			if !has[s.VIP][b.Addr] {
				stale[s.VIP] = has[s.VIP]
				break
			}
		}
	}
	for vip, backends := range has {
		if !known[vip] {
			stale[vip] = backends
		}
	}
	return stale
}
