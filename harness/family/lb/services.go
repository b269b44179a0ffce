// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"fmt"
	"net/netip"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
)

const (
	// lbReals is how many real servers stand on the segment; the last lbSpares of them serve nobody at first.
	lbReals  = 9
	lbSpares = 1
	// lbBackends is how many backends each service has, the same for all variants and services.
	lbBackends = 4
	// clientMTU is the largest IP packet that clients and reals exchange, bytes.
	clientMTU = 1500
	// servicePort is the port of every service, and of backends that see the service's own address.
	servicePort = 80
	// realPort is where backends listen to which packets come translated.
	realPort = 8080
)

// vip returns the address and port of service i (from 0) in the given IP family, 4 or 6.
func serviceAddr(family, i int) netip.AddrPort {
	return netip.AddrPortFrom(netlab.VIP(family, i), servicePort)
}

// backendPort is the port on which a backend of the class is addressed: translated packets go to the real's own port,
// all others keep the service's.
func backendPort(class string) uint16 {
	if class == "nat" || class == "socket" {
		return realPort
	}
	return servicePort
}

// backend returns real number i as a backend of weight 1 for the class.
func backend(class string, family int, real *netlab.Host) service.Backend {
	addr := real.Addr4.Addr()
	if family == 6 {
		addr = real.Addr6.Addr()
	}
	return service.Backend{Addr: netip.AddrPortFrom(addr, backendPort(class)), MAC: real.MAC, Weight: 1}
}

// services returns what every variant of the class is given: count virtual addresses with a TCP service each, the last
// of which is the wanted one, and before them the wanted address's UDP service, which the gate needs. Service i has
// lbBackends backends beginning with real (i+turn) modulo the reals that are not spare; a different turn gives every
// service other backends.
func services(class string, family, count, turn int, reals []*netlab.Host) ([]service.Service, error) {
	if count < 1 || count > netlab.MaxServices {
		return nil, fmt.Errorf("services=%d: between 1 and %d can be set up", count, netlab.MaxServices)
	}
	active, spare := reals[:len(reals)-lbSpares], reals[len(reals)-lbSpares:]
	pool := make([]service.Backend, len(active))
	for i, r := range active {
		pool[i] = backend(class, family, r)
	}
	var spares []service.Backend
	for _, r := range spare {
		spares = append(spares, backend(class, family, r))
	}
	// Services whose first backend is the same real share one slice: nothing changes it.
	sets := make([][]service.Backend, len(pool))
	for i := range sets {
		for k := range lbBackends {
			sets[i] = append(sets[i], pool[(i+k)%len(pool)])
		}
	}
	out := make([]service.Service, 0, count+1)
	last := count - 1
	add := func(i int, proto harness.Proto) {
		out = append(out, service.Service{VIP: serviceAddr(family, i), Proto: proto, Backends: sets[(i+turn)%len(sets)], Spare: spares})
	}
	add(last, harness.UDP)
	for i := range count {
		add(i, harness.TCP)
	}
	return out, nil
}
