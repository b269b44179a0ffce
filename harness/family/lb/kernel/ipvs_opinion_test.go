// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	library "github.com/cloudflare/ipvs"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	"github.com/kxlab/kxlab/harness/sys"
	"github.com/kxlab/kxlab/vm"
)

// opinionEnv tells this test binary that it runs in the guest of TestIPVSOpinionInGuest.
const opinionEnv = "KXLAB_TEST_IPVS_OPINION"

// TestMain lets the test binary be the first process of a guest.
func TestMain(m *testing.M) {
	vm.Guest() // does not return in a guest
	os.Exit(m.Run())
}

// TestIPVSOpinionInGuest runs TestGuestIPVSOpinion in a guest, whose kernel has IPVS.
func TestIPVSOpinionInGuest(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("boots a guest for a second opinion: make soak runs it")
	}
	out := inguest.Exact(t, vm.Cmd{
		Modules: []string{"veth", "bridge", "nf_conntrack_netlink", "ip_vs", "ip_vs_rr", "ip_vs_mh"}, Env: []string{opinionEnv + "=1"},
	}, "^TestGuestIPVSOpinion$")
	if strings.Contains(out, "--- SKIP") || strings.Count(out, "--- PASS: TestGuestIPVSOpinion/") != 6 {
		t.Errorf("not all tests ran in the guest:\n%s", out)
	}
}

// TestGuestIPVSOpinion sets services through this package and reads them through another implementation of the same
// netlink family. A mistake that this package makes alike in writing and in reading shows only here.
func TestGuestIPVSOpinion(t *testing.T) {
	if os.Getenv(opinionEnv) == "" {
		t.Skip("runs in the guest of TestIPVSOpinionInGuest")
	}
	for method, forward := range map[string]library.ForwardType{
		"ipvs-nat": library.Masquerade, "ipvs-tun": library.Tunnel, "ipvs-dr": library.DirectRoute,
	} {
		for setting, scheduler := range map[string]opinion{
			"rr": {scheduler: "rr"}, "mh-port": {scheduler: "mh", flags: library.ServiceSchedulerOpt1 | library.ServiceSchedulerOpt2},
		} {
			t.Run(method+"/"+setting, func(t *testing.T) {
				p := newSegmentLab(t, 0)
				b := p.putIPVS(method, setting)
				defer b.Close()
				heavy := 1
				if setting != "rr" { // which knows no weights but 0
					heavy = 7
				}
				tcp4, udp4 := ruledService(ipv4, harness.TCP, 0, 1, 0, heavy), ruledService(ipv4, harness.UDP, 0, heavy)
				tcp6, gone := ruledService(ipv6, harness.TCP, 1, heavy, 1), ruledService(ipv4, harness.TCP, 5, 1)
				none := ruledService(ipv6, harness.UDP, 2)
				check := func(services ...service.Service) {
					t.Helper()
					want := opinions{}
					for i := range services {
						o := opinion{scheduler.scheduler, scheduler.flags, map[netip.AddrPort]backendOpinion{}}
						for _, r := range services[i].Backends {
							o.backends[r.Addr] = backendOpinion{forward, uint32(r.Weight)}
						}
						want[services[i].Key().String()] = o
					}
					if diff := cmp.Diff(want, p.opinions(), cmp.AllowUnexported(opinion{}, backendOpinion{}),
						cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
						t.Errorf("(-set +read by the library)\n%s", diff)
					}
				}
				all := []service.Service{tcp4, udp4, tcp6, gone, none}
				if err := b.Sync(t.Context(), all); err != nil {
					t.Fatal(err)
				}
				check(all...)
				changed := ruledService(ipv4, harness.TCP, 0, heavy, -1, 1, 0)
				if err := b.Update(t.Context(), changed); err != nil {
					t.Fatal(err)
				}
				check(changed, udp4, tcp6, gone, none)
				left := slices.Clone(all[1:3])
				if err := b.Sync(t.Context(), left); err != nil {
					t.Fatal(err)
				}
				check(left...)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				check()
			})
		}
	}
}

// opinions are the services of a namespace, by the text of their keys.
type opinions map[string]opinion

type opinion struct {
	scheduler string
	flags     library.Flags // without ServiceHashed, which the kernel sets
	backends  map[netip.AddrPort]backendOpinion
}

type backendOpinion struct {
	forward library.ForwardType
	weight  uint32
}

// opinions reads the services of the balancer's namespace through the library.
func (p *segmentLab) opinions() opinions {
	p.t.Helper()
	out := opinions{}
	if err := sys.InNS(p.at.NS, func() error { // the library has no option for a namespace: its socket is of the thread's
		c, err := library.New()
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		services, err := c.Services()
		if err != nil && !errors.Is(err, os.ErrNotExist) { // which is how the library says that there are none
			return fmt.Errorf("read services: %w", err)
		}
		for _, s := range services {
			key := service.Key{VIP: netip.AddrPortFrom(s.Address, s.Port), Proto: harness.TCP}
			if s.Protocol == library.UDP {
				key.Proto = harness.UDP
			}
			o := opinion{s.Scheduler, s.Flags &^ library.ServiceHashed, map[netip.AddrPort]backendOpinion{}}
			backends, err := c.Destinations(s.Service)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("read backends of %s: %w", key, err)
			}
			for _, d := range backends {
				o.backends[netip.AddrPortFrom(d.Address, d.Port)] = backendOpinion{d.FwdMethod, d.Weight}
			}
			out[key.String()] = o
		}
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
	return out
}
