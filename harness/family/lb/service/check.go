// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// MaxWeight is the largest weight of a backend: a logarithm of rendezvous hashing times a weight fits into 64 bits.
const MaxWeight = 1 << 24

// CheckService returns an error for a service that no balancer can have.
func CheckService(s *Service) error {
	k := s.Key()
	if s.Proto != harness.TCP && s.Proto != harness.UDP {
		return fmt.Errorf("check service %s: protocol %d is neither TCP nor UDP", k, s.Proto)
	}
	if a := s.VIP.Addr(); !a.IsValid() || a.Is4In6() || a.Zone() != "" {
		return fmt.Errorf("check service %s: the address is not a plain IPv4 or IPv6 address", k)
	}
	for _, b := range [2][]Backend{s.Backends, s.Spare} {
		if err := checkBackends(b); err != nil {
			return fmt.Errorf("check service %s: %w", k, err)
		}
	}
	return nil
}

// checkBackends checks each backend, and that none is listed twice.
func checkBackends(list []Backend) error {
	var seen map[netip.AddrPort]bool
	if len(list) > 16 { // shorter lists are compared without a map, which is faster
		seen = make(map[netip.AddrPort]bool, len(list))
	}
	for i := range list {
		b := &list[i]
		twice := seen[b.Addr]
		if seen != nil {
			seen[b.Addr] = true
		} else {
			twice = slices.ContainsFunc(list[:i], func(x Backend) bool { return x.Addr == b.Addr })
		}
		switch a := b.Addr.Addr(); {
		case !a.IsValid() || a.Is4In6() || a.Zone() != "":
			return fmt.Errorf("backend %s: the address is not a plain IPv4 or IPv6 address", b.Addr)
		case len(b.MAC) != 0 && len(b.MAC) != 6:
			return fmt.Errorf("backend %s: MAC %s is not of Ethernet", b.Addr, b.MAC)
		case b.Weight < 0 || b.Weight > MaxWeight:
			return fmt.Errorf("backend %s: weight %d is not in 0 to %d", b.Addr, b.Weight, MaxWeight)
		case twice:
			return fmt.Errorf("backend %s: it is listed twice", b.Addr)
		}
	}
	return nil
}
