// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
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

// conntrackMax returns the limit of tracked connections in the namespace, 0 if it cannot be read.
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

// forgetStale deletes the UDP connections to backends that their service no longer has, and those that began before the
// service was added or while it had no backends. Conntrack sees no end of a UDP flow, so they would keep their old
// destination as long as packets come. kube-proxy does the same when a service gets its first endpoint. A drained
// backend keeps its connections. TCP connections break at the backend.
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

// A staleFilter holds the present backends of each UDP service that was added, lost a backend or got its first.
type staleFilter map[netip.AddrPort]map[netip.AddrPort]bool

// MatchConntrackFlow is true for a connection to delete.
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
	stale := staleFilter{} // first all, then without those that only kept or gained backends
	for i := range now {
		if s := &now[i]; s.Proto == harness.UDP {
			stale[s.VIP] = map[netip.AddrPort]bool{}
			for _, b := range s.Backends {
				stale[s.VIP][b.Addr] = true
			}
		}
	}
	for i := range old {
		s := &old[i]
		if s.Proto != harness.UDP {
			continue
		}
		has := stale[s.VIP]
		lost := slices.ContainsFunc(s.Backends, func(b service.Backend) bool { return !has[b.Addr] })
		first := len(s.Backends) == 0 && len(has) > 0
		if lost || first {
			stale[s.VIP] = has
		} else {
			delete(stale, s.VIP)
		}
	}
	return stale
}
