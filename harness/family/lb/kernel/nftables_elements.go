// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// nftElements collects what goes into and out of the table's maps, by map.
type nftElements struct{ add, del map[string][]string }

// change notes the elements of one service, which had and has somebody to serve it, or not.
func (e nftElements) change(c nftChange, s *service.Service, had, has bool, addresses map[netip.Addr]int) {
	key := fmt.Sprintf("%s . %s . %d", s.VIP.Addr(), protoName(s.Proto), s.VIP.Port())
	// What was and what is to be in the two maps of services, one of which holds each service.
	for _, m := range [...]struct {
		name, to string
		was, is  bool
	}{
		{"service-ips", nftServiceChain(s), c.before != nil && had, c.after != nil && has},
		{"no-endpoint-services", "reject-chain", c.before != nil && !had, c.after != nil && !has},
	} {
		switch {
		case m.is && !m.was:
			e.add[m.name] = append(e.add[m.name], key+" : goto "+m.to)
		case m.was && !m.is:
			e.del[m.name] = append(e.del[m.name], key)
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
		e.add["cluster-ips"] = append(e.add["cluster-ips"], addr.String())
	case before > 0 && after == 0:
		e.del["cluster-ips"] = append(e.del["cluster-ips"], addr.String())
	}
}

// write writes one command a map.
func (e nftElements) write(b *bytes.Buffer, w nftWords) {
	for _, m := range [...]string{"cluster-ips", "service-ips", "no-endpoint-services"} {
		if list := e.del[m]; len(list) > 0 {
			fmt.Fprintf(b, "delete element %s %s { %s }\n", w.table, m, strings.Join(list, ", "))
		}
		if list := e.add[m]; len(list) > 0 {
			fmt.Fprintf(b, "add element %s %s { %s }\n", w.table, m, strings.Join(list, ", "))
		}
	}
}
