// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A model is a balancer of one class in plain Go that does everything right until it is broken on purpose: it shows
// that each case of the gate can fail. It stands where the tap stands, so that the judge is the real one.
type model struct {
	sc      *scene
	class   string
	mtu     int
	service service.Service                    // as last updated
	udp     service.Service                    // the same of UDP; without a VIP if it was deleted
	protos  map[netip.AddrPort]byte            // of flows, by client
	flows   map[netip.AddrPort]service.Backend // by client
	changes int                                // how often a service was updated
	reality []service.Backend                  // all reals there are
	out     [][]byte
	broken  broken
}

// broken says what a model does wrong. The zero value does everything right.
type broken struct {
	in     func(m *model, in *packet) bool                    // false: the packet is dropped
	out    func(m *model, in *packet, frame []byte) []byte    // changes what is sent; nil: nothing is
	pick   func(m *model, in *packet) (service.Backend, bool) // false: as usual
	accept func(m *model, frame []byte) []byte                // changes what comes in, before it is looked at
	update func(m *model, s service.Service) service.Service  // changes what is set
	keeps  bool                                               // flows outlive their backend in the service, and the service
	serves bool                                               // a service that was deleted is served on
}

const modelMTU = 1500

// newModel returns a right model and the judge that looks at it.
func newModel(class string, v6 bool, b broken) (*model, *judge) {
	host := func(role netlab.Role, i int) *netlab.Host {
		h := &netlab.Host{MAC: netlab.MAC(role, i)}
		h.Addr4, h.Addr6 = netlab.Addresses(role, i)
		return h
	}
	sc := &scene{client: host(netlab.RoleClient, 0), balancer: host(netlab.RoleBalancer, 0)}
	vip := netip.MustParseAddrPort("198.19.128.1:80")
	if v6 {
		vip = netip.MustParseAddrPort("[2001:2:0:2::1]:80")
	}
	port := uint16(80)
	if class == "nat" {
		port = 8080
	}
	sc.tcp = service.Service{VIP: vip, Proto: harness.TCP}
	for i := range 5 {
		real := host(netlab.RoleReal, i)
		sc.tcp.Backends = append(sc.tcp.Backends, service.Backend{
			Addr: netip.AddrPortFrom(hostAddr(real, v6), port), MAC: real.MAC, Weight: 1})
	}
	m := &model{sc: sc, class: class, mtu: modelMTU, flows: map[netip.AddrPort]service.Backend{}, broken: b, reality: sc.tcp.Backends}
	sc.tcp.Backends, sc.tcp.Spare = sc.tcp.Backends[:4], sc.tcp.Backends[4:]
	sc.udp = sc.tcp
	sc.udp.Proto = harness.UDP
	m.service, m.udp, m.protos = sc.tcp, sc.udp, map[netip.AddrPort]byte{}
	return m, &judge{wire: m, sc: sc, class: class, expect: expectations()[class]}
}

func (m *model) receive(time.Duration) ([]byte, error) {
	if len(m.out) == 0 {
		return nil, nil
	}
	frame := m.out[0]
	m.out = m.out[1:]
	return frame, nil
}

func (m *model) Update(_ context.Context, s service.Service) error {
	m.changes++
	if m.broken.update != nil {
		s = m.broken.update(m, s)
	}
	if s.Proto == harness.UDP {
		m.udp = s
	} else {
		m.service = s
	}
	m.forget(byte(s.Proto), s.Backends)
	return nil
}

// forget forgets the flows of a protocol that go to none of the backends.
func (m *model) forget(proto byte, backends []service.Backend) {
	for client, b := range m.flows {
		if m.protos[client] == proto && !holds(backends, b) && !m.broken.keeps {
			delete(m.flows, client)
		}
	}
}

// Sync sets the services of the scene's address.
func (m *model) Sync(ctx context.Context, services []service.Service) error {
	has := false
	for _, s := range services {
		has = has || s.Proto == harness.UDP
		if err := m.Update(ctx, s); err != nil {
			return err
		}
	}
	if !has && !m.broken.serves {
		m.udp = service.Service{}
		m.forget(protoUDP, nil)
	}
	return nil
}

// of returns the service of a protocol.
func (m *model) of(proto byte) service.Service {
	if proto == protoUDP {
		return m.udp
	}
	return m.service
}

func (m *model) Flush(context.Context) error {
	clear(m.flows)
	return nil
}

func holds(in []service.Backend, b service.Backend) bool {
	for i := range in {
		if in[i].Addr == b.Addr {
			return true
		}
	}
	return false
}

// send takes a frame in and does with it what the class has to.
func (m *model) send(frame []byte) error {
	if m.broken.accept != nil {
		frame = m.broken.accept(m, bytes.Clone(frame))
	}
	in, err := parse(frame)
	switch {
	case in.kind == etherARP:
		m.put(&in, m.arp(frame))
		return nil
	case err != nil, in.ip == nil, isFragment(in.ip), !bytes.Equal(in.dst, m.sc.balancer.MAC):
		return nil
	case m.broken.in != nil && !m.broken.in(m, &in):
		return nil
	case in.to.Addr() == hostAddr(m.sc.balancer, in.to.Addr().Is6()):
		m.put(&in, m.echo(&in))
	case m.class == harness.ClassCeiling:
		m.put(&in, m.ether(m.service.Backends[0].MAC, routed(in.ip)))
	case in.src[3] == byte(netlab.RoleReal):
		m.put(&in, m.back(&in))
	case in.to.Addr() != m.service.VIP.Addr():
	case in.proto == protoICMP || in.proto == protoICMPv6:
		m.put(&in, m.about(&in))
	case in.to == m.of(in.proto).VIP:
		m.put(&in, m.balance(&in))
	}
	return nil
}

// put puts a frame where the judge finds it.
func (m *model) put(in *packet, frame []byte) {
	if m.broken.out != nil {
		frame = m.broken.out(m, in, bytes.Clone(frame))
	}
	if frame != nil {
		m.out = append(m.out, frame)
	}
}

func isFragment(b []byte) bool {
	if b[0]>>4 == 6 {
		return b[6] == 44
	}
	return binary.BigEndian.Uint16(b[6:])&0x3fff != 0
}

func (m *model) ether(to net.HardwareAddr, packet []byte) []byte {
	frame := m.sc.ether(packet)
	copy(frame, to)
	copy(frame[6:], m.sc.balancer.MAC)
	return frame
}

// balance sends a packet of the service to its backend.
func (m *model) balance(in *packet) []byte {
	if m.class == "ipip" && len(in.ip) > m.mtu {
		v6 := in.ip[0]>>4 == 6
		return m.ether(in.src, tooBig(hostAddr(m.sc.balancer, v6), in.from.Addr(), m.mtu, in.ip[:60]))
	}
	b, known := m.flows[in.from]
	if !known || in.isSYN() {
		b = m.choose(in)
		m.flows[in.from], m.protos[in.from] = b, in.proto
	}
	if m.broken.pick != nil {
		if other, ok := m.broken.pick(m, in); ok {
			b = other
			m.flows[in.from] = b
		}
	}
	return m.translate(in, b)
}

// choose picks a backend for a new flow.
func (m *model) choose(in *packet) service.Backend {
	var serving []service.Backend
	for _, b := range m.of(in.proto).Backends {
		if b.Weight > 0 {
			serving = append(serving, b)
		}
	}
	return serving[int(in.from.Port())%len(serving)]
}

// translate makes of a packet to the service what the class sends to the backend.
func (m *model) translate(in *packet, b service.Backend) []byte {
	switch m.class {
	case "ipip":
		proto, src, dst := byte(protoIPIP), hostAddr(m.sc.balancer, false), b.Addr.Addr()
		if dst.Is6() {
			proto, src = protoIPv6, hostAddr(m.sc.balancer, true)
		}
		return m.ether(b.MAC, ip(src, dst, proto, 64, nil, in.ip))
	case "nat":
		out := routed(in.ip)
		setDestination(out, b.Addr)
		segment := out[len(out)-len(in.segment):]
		binary.BigEndian.PutUint16(segment[2:], b.Addr.Port())
		if wrong := in.transportChecksum() != nil; !isUnsummed(in) {
			setTransportSum(in.from.Addr(), b.Addr.Addr(), in.proto, segment)
			if wrong {
				segment[checksumAt(in.proto)] ^= 0x55
			}
		}
		return m.ether(b.MAC, out)
	}
	return m.ether(b.MAC, in.ip)
}

func isUnsummed(in *packet) bool {
	return in.proto == protoUDP && in.ip[0]>>4 == 4 && in.segment[6] == 0 && in.segment[7] == 0
}
