// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"

	"sigs.k8s.io/knftables"

	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// nftElements collects the elements to add to and delete from the table's maps.
type nftElements struct{ add, del []*knftables.Element }

// change adds the changes of one service. had and has: it had and has serving backends.
func (e *nftElements) change(c nftChange, s *service.Service, had, has bool, addresses map[netip.Addr]int) {
	key := []string{s.VIP.Addr().String(), protoName(s.Proto), fmt.Sprint(s.VIP.Port())}
	// Each service is in one of two maps.
	for _, m := range [...]struct {
		name, to string
		was, is  bool
	}{
		{nftServiceIPs, nftServiceChain(s), c.before != nil && had, c.after != nil && has},
		{nftNoEndpoints, nftRejectChain, c.before != nil && !had, c.after != nil && !has},
	} {
		switch {
		case m.is && !m.was:
			e.add = append(e.add, &knftables.Element{Map: m.name, Key: key, Value: []string{"goto " + m.to}})
		case m.was && !m.is:
			e.del = append(e.del, &knftables.Element{Map: m.name, Key: key})
		}
	}
	addr := s.VIP.Addr()
	before := addresses[addr]
	if c.before == nil {
		addresses[addr]++
	}
	if c.after == nil {
		addresses[addr]--
	}
	switch after := addresses[addr]; {
	case before == 0 && after > 0:
		e.add = append(e.add, &knftables.Element{Set: nftClusterIPs, Key: key[:1]})
	case before > 0 && after == 0:
		e.del = append(e.del, &knftables.Element{Set: nftClusterIPs, Key: key[:1]})
	}
}

// write adds the changes to the transaction: deletions first, so that a key can be deleted and added.
func (e *nftElements) write(tx *knftables.Transaction) {
	for _, element := range e.del {
		tx.Delete(element)
	}
	for _, element := range e.add {
		tx.Add(element)
	}
}
