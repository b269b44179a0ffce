// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
)

// maxWeight is the largest weight of a backend: a logarithm of rendezvous hashing times a weight fits into 64 bits.
const MaxWeight = 1 << 24

// CheckService returns an error for a service that no balancer of this package could carry.
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

// checkBackends checks each backend, and that none is given twice.
func checkBackends(list []Backend) error {
	for i := range list {
		b := &list[i]
		switch a := b.Addr.Addr(); {
		case !a.IsValid() || a.Is4In6() || a.Zone() != "":
			return fmt.Errorf("backend %s: the address is not a plain IPv4 or IPv6 address", b.Addr)
		case len(b.MAC) != 0 && len(b.MAC) != 6:
			return fmt.Errorf("backend %s: MAC %s is not of Ethernet", b.Addr, b.MAC)
		case b.Weight < 0 || b.Weight > MaxWeight:
			return fmt.Errorf("backend %s: weight %d is not in 0 to %d", b.Addr, b.Weight, MaxWeight)
		}
	}
	if len(list) <= 16 { // the usual: no map
		for i := range list {
			for j := range i {
				if list[i].Addr == list[j].Addr {
					return fmt.Errorf("backend %s: given twice", list[i].Addr)
				}
			}
		}
		return nil
	}
	seen := make(map[netip.AddrPort]bool, len(list))
	for i := range list {
		a := list[i].Addr
		if seen[a] {
			return fmt.Errorf("backend %s: given twice", a)
		}
		seen[a] = true
	}
	return nil
}
