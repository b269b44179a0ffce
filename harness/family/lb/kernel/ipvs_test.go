// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// putIPVS puts IPVS in force, or skips on a kernel that has none.
func (p *segmentLab) putIPVS(method, scheduler string) service.Balancer {
	p.t.Helper()
	e, err := Methods().Put(p.t.Context(), harness.Variant{Name: "test", Attach: method,
		Settings: []harness.Setting{{Name: "scheduler", Value: scheduler}}}, p.at)
	if errors.Is(err, harness.ErrNotSupported) {
		p.t.Skip(err)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

func TestIPVSSaysWhereItIs(t *testing.T) {
	p := newSegmentLab(t, 0)
	_, err := Methods().Put(t.Context(), harness.Variant{Name: "test", Attach: "ipvs-nat"}, p.at)
	if err != nil && (!errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "--target exact or vm")) {
		t.Errorf("put without IPVS: %v", err)
	}
	for _, s := range []harness.Setting{{Name: "colour", Value: "rr"}, {Name: "scheduler", Value: "best"}} {
		if _, err := Methods().Put(t.Context(), harness.Variant{Name: "test", Attach: "ipvs-nat", Settings: []harness.Setting{s}}, p.at); err == nil ||
			errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("setting %v: %v", s, err)
		}
	}
}

func TestIPVSRequestsComeBack(t *testing.T) {
	for _, f := range ipFamilies() {
		s := ruledService(f, harness.UDP, 7, 3)
		key := s.Key()
		r := ipvsRequest{command: ipvsNewDest, service: key, backend: s.Backends[0], forward: ipvsTunnel}
		attrs := r.attributes(nil)
		got, err := parseIPVSDest(attrs, unix.AF_INET)
		want := ipvsDest{s.Backends[0].Addr, 3, ipvsTunnel}
		if err != nil || got != want {
			t.Errorf("backend %+v, want %+v: %v", got, want, err)
		}
		r = ipvsRequest{command: ipvsSetService, service: key, scheduler: ipvsSchedulers()["mh-port"]}
		back, scheduler, err := parseIPVSService(r.attributes(nil))
		if err != nil || back != key || scheduler != "mh" {
			t.Errorf("service %v scheduler %s, want %v mh: %v", back, scheduler, key, err)
		}
		for n := range attrs { // cut anywhere: an error, no panic
			if _, err := parseIPVSDest(attrs[:n], unix.AF_INET); err == nil {
				t.Errorf("a backend cut after %d bytes was read", n)
			}
		}
	}
}

func TestReadIPVSLists(t *testing.T) {
	conns := "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n" +
		"TCP C6130707 4E21 C6138000 0050 C6120101 1F90 SYN_RECV         59\n" +
		"TCP C6130707 4E22 C6138000 0050 C6120102 1F90 ESTABLISHED     899\n" +
		"UDP 2001:0002:0000:0001:0000:0000:0000:0707 4E21 2001:0002:0000:0002:0000:0000:0000:0000 0050 2001:0002:0000:0000:0000:0000:0001:0001 1F90 UDP             299\n" +
		"TCP C6130707 4E2"
	keys, err := readIPVSConns(conns)
	want := []service.Key{
		{VIP: at4("198.19.128.0", 80), Proto: harness.TCP},
		{VIP: netip.MustParseAddrPort("[2001:2:0:2::]:80"), Proto: harness.UDP},
	}
	if err != nil || !cmp.Equal(keys, want, cmp.Comparer(func(a, b service.Key) bool { return a == b })) {
		t.Errorf("services %v, want %v: %v", keys, want, err)
	}
	counts := map[string]uint64{}
	stats := "       Total Incoming Outgoing         Incoming         Outgoing\nCPU    Conns  Packets  Packets            Bytes            Bytes\n" +
		"  0       1A        2        0              3E8                0\n  1        0        1        0              3E8                0\n" +
		"  ~       1A        3        0              7D0                0\n\n"
	if err := readIPVSStats(stats, counts); err != nil || counts["ipvs_connections"] != 26 || counts["ipvs_packets_in"] != 3 {
		t.Errorf("counters %v: %v", counts, err)
	}
}

func TestIPVSChangesOnlyWhatDiffers(t *testing.T) {
	b := &ipvs{scheduler: ipvsSchedulers()["mh"]}
	var text strings.Builder
	show := func(before, after *service.Service) string {
		text.Reset()
		for _, r := range b.change(nil, before, after) {
			text.WriteString(r.String() + "\n")
		}
		return text.String()
	}
	one, other := ruledService(ipv4, harness.TCP, 0, 1, 1), ruledService(ipv4, harness.TCP, 0, -1, 0, 1)
	for _, c := range []struct {
		before *service.Service
		after  service.Service
		want   string
	}{
		{nil, one, "add service tcp 198.19.128.0:80\nadd backend tcp 198.19.128.0:80: 198.18.1.1:8080\n" +
			"add backend tcp 198.19.128.0:80: 198.18.1.2:8080\nset service tcp 198.19.128.0:80\n"},
		{&one, one, ""},
		{&one, other, "set backend tcp 198.19.128.0:80: 198.18.1.2:8080\nadd backend tcp 198.19.128.0:80: 198.18.1.3:8080\n" +
			"remove backend tcp 198.19.128.0:80: 198.18.1.1:8080\n"},
	} {
		if diff := cmp.Diff(c.want, show(c.before, &c.after)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestIPVSCarriesTraffic(t *testing.T) {
	for _, scheduler := range []string{"rr", "mh-port"} {
		for name, f := range ipFamilies() {
			t.Run(scheduler+"/"+name, func(t *testing.T) {
				p := newSegmentLab(t, 3)
				b := p.putIPVS("ipvs-nat", scheduler)
				defer b.Close()
				tcp, udp := ruledService(f, harness.TCP, 0, 1, 1, -1), ruledService(f, harness.UDP, 0, -1, 1, 1)
				inForce := func(err error) {
					t.Helper()
					if err := errors.Join(err, b.InForce()); err != nil {
						t.Fatal(err)
					}
				}
				inForce(b.Sync(t.Context(), []service.Service{tcp, udp, ruledService(f, harness.TCP, 1, 1)}))
				p.reached(tcp, "0", "1")
				p.reached(udp, "1", "2")
				old, err := p.dial(harness.TCP, tcp.VIP)
				if err != nil {
					t.Fatal(err)
				}
				defer old.Close()
				at, err := ask(old)
				if err != nil {
					t.Fatal(err)
				}
				weights := []int{1, 1, 1}
				weights[at[0]-'0'] = 0
				inForce(b.Update(t.Context(), ruledService(f, harness.TCP, 0, weights...)))
				if now, err := ask(old); err != nil || now != at {
					t.Errorf("connection to a drained backend went from %s to %q: %v", at, now, err)
				}
				inForce(b.Sync(t.Context(), []service.Service{tcp}))
				if now, err := ask(old); err != nil || now != at {
					t.Errorf("connection went from %s to %q: %v", at, now, err)
				}
				p.reached(tcp, "0", "1")
				counts, err := b.Counters()
				if err != nil || counts["ipvs_connections"] == 0 {
					t.Errorf("counters %v: %v", counts, err)
				}
				inForce(b.Flush(t.Context()))
				if left, err := b.(*ipvs).connected(); err != nil || len(left) > 0 {
					t.Errorf("after Flush connections lead to %v: %v", left, err)
				}
				p.reached(tcp, "0", "1")
			})
		}
	}
}

func TestIPVSNoticesAndLeavesNothing(t *testing.T) {
	p := newSegmentLab(t, 1)
	b := p.putIPVS("ipvs-tun", "rr")
	s := ruledService(ipv4, harness.TCP, 0, 1)
	stranger := func(r ipvsRequest) {
		t.Helper()
		if err := b.(*ipvs).socket.do(t.Context(), []ipvsRequest{r}); err != nil {
			t.Fatal(err)
		}
		if err := b.InForce(); err == nil {
			t.Errorf("someone else's %v was not noticed", &r)
		}
	}
	key := s.Key()
	for _, r := range []ipvsRequest{
		{command: ipvsDelService, service: key},
		{command: ipvsNewService, service: service.Key{VIP: at4("198.19.128.9", 80), Proto: harness.TCP}, scheduler: ipvsScheduler{name: "rr"}},
		{command: ipvsDelDest, service: key, backend: s.Backends[0]},
		{command: ipvsSetDest, service: key, backend: service.Backend{Addr: s.Backends[0].Addr, Weight: 0}, forward: ipvsTunnel},
	} {
		b.(*ipvs).dirty = true // write all anew
		if err := errors.Join(b.Sync(t.Context(), []service.Service{s}), b.InForce()); err != nil {
			t.Fatal(err)
		}
		stranger(r)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.InForce(); err == nil {
		t.Error("in force after Close")
	}
	again := p.putIPVS("ipvs-tun", "rr")
	defer again.Close()
	if err := again.InForce(); err != nil {
		t.Errorf("something was left behind: %v", err)
	}
}

func TestIPVSIsFast(t *testing.T) {
	p := newSegmentLab(t, 0)
	for _, c := range []struct {
		scheduler string
		services  int
	}{{"rr", 10_000}, {"mh-port", 1000}} {
		b := p.putIPVS("ipvs-nat", c.scheduler)
		services := ruledServices(ipv4, c.services, 1, 1, 1, 1)
		begin := time.Now()
		if err := b.Sync(t.Context(), services); err != nil {
			t.Fatal(err)
		}
		synced := time.Now()
		if err := b.InForce(); err != nil {
			t.Fatal(err)
		}
		looked := time.Now()
		if err := b.Update(t.Context(), ruledService(ipv4, harness.TCP, 5, 1, 1, 1, -1, 1)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, %d services: sync %v, in-force check %v, update %v", c.scheduler, c.services, synced.Sub(begin), looked.Sub(synced), time.Since(looked))
		// In an emulated guest on a quiet machine rr takes 1.6 s. Maglev's tables are the kernel's work, 6 ms each there.
		if took := synced.Sub(begin); took > 10*time.Second && c.scheduler == "rr" {
			t.Errorf("Sync took %v", took)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
