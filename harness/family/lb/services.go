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
	// lbReals is the number of real servers on the segment; the last lbSpares of them have no service at first.
	lbReals  = 9
	lbSpares = 1
	// lbBackends is the number of backends of each service, the same for all variants and services.
	lbBackends = 4
	// clientMTU is the largest IP packet that clients and reals exchange, bytes.
	clientMTU = 1500
	// servicePort is the port of every service, and of backends that see the service's own address.
	servicePort = 80
	// realPort is the port of backends that get translated packets.
	realPort = 8080
)

// serviceAddr returns the address and port of service i (from 0) in an IP family, 4 or 6.
func serviceAddr(family, i int) netip.AddrPort {
	return netip.AddrPortFrom(netlab.VIP(family, i), servicePort)
}

// backendPort returns the destination port of packets to a backend of the class: translated packets and proxies' go to the real's
// own port, all others keep the service's.
func backendPort(class string) uint16 {
	if class == "nat" || class == "socket" || class == service.ClassProxy {
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

// services returns the services of every variant of the class: the target address's UDP service, which the gate
// needs (but for proxies), then count virtual addresses with a TCP service each, of which the last is the target. Service i has
// lbBackends backends, starting with real (i+turn) modulo the reals that are not spare; with another turn every
// service has other backends.
func services(class string, family, count, turn int, reals []*netlab.Host) ([]service.Service, error) {
	if count < 1 || count > netlab.MaxServices {
		return nil, fmt.Errorf("services=%d: want 1 to %d", count, netlab.MaxServices)
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
	// Services with the same first backend share one slice, which is read only.
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
	if class != service.ClassProxy { // streams only
		add(last, harness.UDP)
	}
	for i := range count {
		add(i, harness.TCP)
	}
	return out, nil
}
