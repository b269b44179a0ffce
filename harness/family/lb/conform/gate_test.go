// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/tcp"
)

// everywhere runs a test for every class that handles packets and both IP families.
func everywhere(t *testing.T, run func(t *testing.T, class string, v6 bool)) {
	for class := range expectations() {
		for _, v6 := range []bool{false, true} {
			family := map[bool]int{false: 4, true: 6}[v6]
			t.Run(fmt.Sprintf("%s/ip=%d", class, family), func(t *testing.T) { run(t, class, v6) })
		}
	}
}

// TestRightModel: a balancer without a fault passes, so that what a mutant is told is about its fault.
func TestRightModel(t *testing.T) {
	everywhere(t, func(t *testing.T, class string, v6 bool) {
		m, j := newModel(class, v6, broken{})
		if err := errors.Join(j.packets(t.Context(), modelMTU), m.Flush(t.Context()), j.changes(t.Context(), m),
			m.Flush(t.Context()), j.services(t.Context(), m, []service.Service{j.sc.udp, j.sc.tcp}), m.Flush(t.Context()),
			j.flood(t.Context(), floodFlows)); err != nil {
			t.Error(err)
		}
	})
}

// A talkative wire carries, before each frame, what the balancer's kernel sends by itself.
type talkative struct {
	*model
	said int
}

func (t *talkative) receive(wait time.Duration) ([]byte, error) {
	all := append(ownAffairs(t.sc.balancer.MAC, t.sc.client.MAC), ownAffairs(t.sc.balancer.MAC, t.sc.tcp.Backends[0].MAC)...)
	if t.said < len(all) {
		t.said++
		return all[t.said-1], nil
	}
	t.said = 0
	return t.model.receive(wait)
}

// ownAffairs are frames that a host sends at any time: a multicast listener report (its protocol is a hop-by-hop header),
// solicitations to a group and to another host, an advertisement, and ARP.
func ownAffairs(from, to net.HardwareAddr) [][]byte {
	own, peer := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2")
	discover := func(dst net.HardwareAddr, kind byte) []byte {
		proto, message := icmp(own, peer, kind, 0, 0, make([]byte, 16))
		return ether(dst, from, etherIPv6, ip(own, peer, proto, 255, nil, message))
	}
	group := net.HardwareAddr{0x33, 0x33, 0xff, byte(netlab.RoleReal), 0, 1}
	_, report := icmp(own, peer, 143, 0, 0, nil)
	report = ip(netip.IPv6Unspecified(), netip.MustParseAddr("ff02::16"), 0, 1, nil, append([]byte{protoICMPv6, 0, 5, 2, 0, 0, 1, 0}, report...))
	return [][]byte{
		ether(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 0x16}, from, etherIPv6, report),
		discover(group, 135), discover(to, 135), discover(to, 136), discover(group, 133),
		ether(to, from, etherARP, append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, make([]byte, 20)...)),
	}
}

// TestTalkativeKernel: what a kernel sends by itself is no packet of the balancer, whenever it comes.
func TestTalkativeKernel(t *testing.T) {
	everywhere(t, func(t *testing.T, class string, v6 bool) {
		m, j := newModel(class, v6, broken{})
		j.wire = &talkative{model: m}
		if err := errors.Join(j.packets(t.Context(), modelMTU), m.Flush(t.Context()), j.changes(t.Context(), m),
			m.Flush(t.Context()), j.flood(t.Context(), floodFlows)); err != nil {
			t.Error(err)
		}
	})
}

// TestPacketMutants: every fixture of the gate fails for a balancer that is wrong just there.
func TestPacketMutants(t *testing.T) {
	everywhere(t, func(t *testing.T, class string, v6 bool) {
		var said []string
		for _, tt := range packetMutants() {
			if !tt.concerns(class, v6) {
				continue
			}
			_, j := newModel(class, v6, tt.broken)
			err := j.packets(t.Context(), modelMTU)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("a balancer that %s: got %v, want %q", tt.fault, err, tt.want)
			}
			said = append(said, fmt.Sprint(err))
		}
		if class == harness.ClassCeiling {
			return
		}
		_, j := newModel(class, v6, broken{})
		for _, f := range j.sc.fixtures(modelMTU) {
			found := f.class != "" && f.class != class
			for _, s := range said {
				found = found || strings.HasPrefix(s, f.name+":")
			}
			if !found {
				t.Errorf("no mutant shows that the case %q can fail", f.name)
			}
		}
	})
}

// TestChangeMutants: every demand on changes fails for a balancer that does not meet it.
func TestChangeMutants(t *testing.T) {
	as := func(change func(m *model, s *service.Service)) broken {
		return broken{update: func(m *model, s service.Service) service.Service { change(m, &s); return s }}
	}
	const added, drained, removed = 1, 2, 3 // how often the service was changed then
	forget := func(when func(m *model) bool) broken {
		return broken{pick: func(m *model, in *packet) (service.Backend, bool) { return m.choose(in), when(m) }}
	}
	for _, tt := range []mutant{
		{fault: "starves a backend", want: "none to backend", broken: broken{pick: func(m *model, in *packet) (service.Backend, bool) {
			return m.service.Backends[0], true
		}}},
		{fault: "keeps a removed backend", want: "a backend was removed: the new flow", broken: as(func(m *model, s *service.Service) {
			if m.changes == removed {
				*s = m.service
			}
		})},
		{fault: "moves flows when a backend goes", want: "a backend was removed: the flow", broken: forget(func(m *model) bool { return m.changes == removed })},
		{fault: "loses flows when a backend goes", want: "a backend was removed: nothing came out of the balancer, after ", broken: broken{
			in: func(m *model, in *packet) bool { return m.changes != removed || in.isSYN() }}},
		{fault: "cuts drained flows", want: "a backend was drained: the flow", broken: forget(func(m *model) bool { return m.changes == drained })},
		{fault: "does not drain", want: "a backend was drained: the new flow", broken: as(func(_ *model, s *service.Service) {
			s.Backends = append([]service.Backend(nil), s.Backends...)
			s.Backends[0].Weight = 1
		})},
		{fault: "leaves a new backend idle", want: "a backend was added: 96 flows and none to backend", broken: as(func(_ *model, s *service.Service) { s.Backends = s.Backends[:min(4, len(s.Backends))] })},
		{fault: "moves flows to a new backend", want: "a backend was added: the flow", broken: forget(func(m *model) bool { return m.changes == added })},
		{fault: "spoils packets once something changed", want: "differs at byte", broken: after(func(m *model, _ *packet, f []byte) []byte {
			if m.changes > 0 {
				f[len(f)-1] ^= 1
			}
			return f
		})},
	} {
		for _, class := range []string{"nat", "ipip", "dsr"} {
			m, j := newModel(class, class == "dsr", tt.broken)
			if err := j.changes(t.Context(), m); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s that %s: got %v, want %q", class, tt.fault, err, tt.want)
			}
		}
	}
}

// TestServiceMutants: so does every demand on services that share an address, come and go.
func TestServiceMutants(t *testing.T) {
	for _, tt := range []mutant{
		{fault: "does not look at the protocol", want: "TCP and UDP of one address: sent to", broken: broken{
			pick: func(m *model, in *packet) (service.Backend, bool) {
				return m.udp.Backends[0], in.proto == protoTCP && len(m.service.Backends) == 2
			}}},
		{fault: "lets UDP flows outlive their backend", want: "backends were taken out of the UDP service: the flow", broken: broken{keeps: true}},
		{fault: "moves the flows of other backends", want: "backends were taken out of the UDP service: the flow", broken: broken{
			pick: func(m *model, in *packet) (service.Backend, bool) {
				return m.udp.Backends[int(in.from.Port()/4)%2], len(m.udp.Backends) == 2
			}}},
		{fault: "goes on after the service was deleted", want: "the UDP service was deleted: a frame", broken: broken{serves: true}},
		{fault: "lets UDP flows outlive the service", want: "was added again, with another backend: the flow", broken: broken{
			pick: func(m *model, in *packet) (service.Backend, bool) {
				return m.service.Backends[1], len(m.udp.Backends) == 1
			}}},
		{fault: "does not know a service that was added again", want: "was added again, with another backend: the flow", broken: broken{
			in: func(m *model, in *packet) bool { return len(m.udp.Backends) != 1 }}},
	} {
		for _, class := range []string{"nat", "ipip", "dsr"} {
			m, j := newModel(class, class == "dsr", tt.broken)
			err := j.services(t.Context(), m, []service.Service{j.sc.udp, j.sc.tcp})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s that %s: got %v, want %q", class, tt.fault, err, tt.want)
			}
		}
	}
}

// TestFloodMutants: so does every demand on a flood.
func TestFloodMutants(t *testing.T) {
	many := func(m *model) bool { return len(m.flows) > 1000 }
	for _, tt := range []mutant{
		{fault: "drops what it has no room for", want: "reached no backend", broken: broken{in: func(m *model, in *packet) bool {
			return !many(m) || !in.isSYN()
		}}},
		{fault: "forgets in favour of the flood", want: "SYNs of other flows: the flow from", broken: broken{pick: func(m *model, in *packet) (service.Backend, bool) {
			return m.service.Backends[int(in.from.Port()+1)%4], many(m)
		}}},
		{fault: "sends SYNs twice", want: "received twice", broken: after(func(m *model, in *packet, f []byte) []byte {
			if many(m) {
				m.out = append(m.out, f)
			}
			return f
		})},
		{fault: "spoils the flood", want: "differs at byte", broken: after(func(m *model, _ *packet, f []byte) []byte {
			if many(m) {
				f[len(f)-1] ^= 1
			}
			return f
		})},
		{fault: "sends the flood anywhere", want: "none of the service's backends", broken: after(func(m *model, _ *packet, f []byte) []byte {
			if many(m) {
				copy(f, m.reality[4].MAC)
			}
			return f
		})},
	} {
		for _, class := range []string{"nat", "ipip", "dsr"} {
			_, j := newModel(class, class == "dsr", tt.broken)
			if err := j.flood(t.Context(), floodFlows); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s that %s: got %v, want %q", class, tt.fault, err, tt.want)
			}
		}
	}
}

// TestStreamMutants: and every demand on streams.
func TestStreamMutants(t *testing.T) {
	var s Subject
	s.Segment = &netlab.Segment{}
	service := service.Service{}
	_, j := newModel("ipip", false, broken{})
	for i, b := range j.sc.tcp.Backends {
		h := &netlab.Host{}
		h.Addr4, h.Addr6 = netlab.Addresses(netlab.RoleReal, i)
		s.Segment.Reals = append(s.Segment.Reals, h)
		if i < 3 { // real 3 is no backend
			service.Backends = append(service.Backends, b)
		}
	}
	refused := errors.New("refused")
	for _, tt := range []struct {
		fault  string
		report tcp.LoadReport
		want   string
	}{
		{"nothing", tcp.LoadReport{Done: 9, PerReal: []int64{3, 3, 3, 0}}, ""},
		{"a broken stream", tcp.LoadReport{Done: 8, Failed: 1, First: refused, PerReal: []int64{3, 3, 2, 0}}, "1 of 9 exchanges failed: refused"},
		{"an answer of someone else", tcp.LoadReport{Done: 10, PerReal: []int64{3, 3, 3, 1}}, "real 3 answered, which is no backend"},
		{"a starved backend", tcp.LoadReport{Done: 6, PerReal: []int64{3, 3, 0, 0}}, "real 2 is a backend and was never reached"},
	} {
		err := s.exchange(t.Context(), tcp.Load{}, service, time.Millisecond,
			func(tcp.Load, context.Context, time.Duration) (*tcp.LoadReport, error) {
				return &tt.report, nil
			})
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("with %s: got %v, want %q", tt.fault, err, tt.want)
		}
	}
}
