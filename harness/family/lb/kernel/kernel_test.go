// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// put puts the method in force at the lab's balancer.
func (p *segmentLab) put(method string) service.Balancer {
	p.t.Helper()
	b, err := Methods().Put(context.Background(), harness.Variant{Name: method, Attach: method}, p.at)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func ipFamilies() map[string]ipFamily { return map[string]ipFamily{"ipv4": ipv4, "ipv6": ipv6} }

// reached checks that just the named reals, of equal weights, answer at the service.
func (p *segmentLab) reached(s service.Service, names ...string) map[string]int {
	p.t.Helper()
	return p.reachedIn(48, s, names...)
}

// reachedIn is reached with n connections. The choice is random, so n must be so large that no real is missed by chance: a real
// with a tenth of the weights is missed by 48 in one try of 150, by 240 in none of 10^10.
func (p *segmentLab) reachedIn(n int, s service.Service, names ...string) map[string]int {
	p.t.Helper()
	got, err := p.who(s.Proto, s.VIP, n)
	if err != nil {
		p.t.Fatalf("service %s: %v", s.Key(), err)
	}
	var who []string
	for name := range got {
		who = append(who, name)
	}
	slices.Sort(who)
	if diff := cmp.Diff(names, who); diff != "" {
		p.t.Fatalf("service %s is answered by (-want +got):\n%s", s.Key(), diff)
	}
	return got
}

func (p *segmentLab) refused(s service.Service) {
	p.t.Helper()
	if c, err := p.dial(harness.TCP, s.VIP); err == nil {
		c.Close()
		p.t.Fatalf("service %s without backends accepted a connection", s.VIP)
	} else if !strings.Contains(err.Error(), "refused") {
		p.t.Fatalf("service %s without backends: %v, want a refusal", s.VIP, err)
	}
}

func TestKernelBalances(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables"} {
		for name, f := range ipFamilies() {
			t.Run(method+"/"+name, func(t *testing.T) {
				p := newSegmentLab(t, 3)
				b := p.put(method)
				defer b.Close()
				if method == "nftables" {
					p.beLiberal()
				}
				// The other family is there, too, and must not be in the way.
				other := ruledService(ipv4+ipv6-f, harness.TCP, 7, 1)
				first, second := ruledService(f, harness.TCP, 0, 1, 1, -1), ruledService(f, harness.TCP, 1, -1, -1, 1)
				udp := ruledService(f, harness.UDP, 0, -1, 1, 1)
				sync := func(services ...service.Service) {
					t.Helper()
					if err := b.Sync(t.Context(), services); err != nil {
						t.Fatal(err)
					}
					if err := b.InForce(); err != nil {
						t.Fatal(err)
					}
				}
				update := func(s service.Service) {
					t.Helper()
					if err := b.Update(t.Context(), s); err != nil {
						t.Fatal(err)
					}
					if err := b.InForce(); err != nil {
						t.Fatal(err)
					}
				}
				sync(first, second, udp, other)
				p.reached(first, "0", "1")
				p.reached(second, "2")
				p.reached(udp, "1", "2")
				p.reached(other, "0")

				old, err := p.dial(harness.TCP, first.VIP)
				if err != nil {
					t.Fatal(err)
				}
				defer old.Close()
				at, err := ask(old)
				if err != nil {
					t.Fatal(err)
				}
				update(ruledService(f, harness.TCP, 0, -1, -1, 1))
				p.reached(first, "2")
				if now, err := ask(old); err != nil || now != at {
					t.Errorf("connection from before the update went from %s to %q: %v", at, now, err)
				}
				update(ruledService(f, harness.TCP, 0, 0, 1, 0)) // drained
				p.reached(first, "1")
				update(ruledService(f, harness.TCP, 0))
				p.refused(first)
				p.reached(second, "2")
				update(ruledService(f, harness.TCP, 0, 9, 1))
				got := p.reachedIn(240, first, "0", "1")
				if got["0"] < 2*got["1"] {
					t.Errorf("weights 9 and 1 gave %v", got)
				}
				// Everything anew: one service goes, one comes, one loses all its backends.
				third := ruledService(f, harness.TCP, 2, 1)
				sync(third, ruledService(f, harness.TCP, 1), udp)
				p.reached(third, "0")
				p.refused(second)
				p.reached(udp, "1", "2")
				if c, err := p.dial(harness.TCP, first.VIP); err == nil {
					c.Close()
					t.Error("a service that is no more accepted a connection")
				}
				if now, err := ask(old); err != nil || now != at {
					t.Errorf("connection from before the sync went from %s to %q: %v", at, now, err)
				}
			})
		}
	}
}

// beLiberal has the balancer's connection tracking find no segment invalid, as kube-proxy's documentation advises for its
// nftables mode: this test is not about TestInvalidSegments.
func (p *segmentLab) beLiberal() {
	p.t.Helper()
	if err := sys.InNS(p.at.NS, func() error {
		_, err := place.SetSysctl("netfilter/nf_conntrack_tcp_be_liberal", "1")
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
}

func TestKernelForgetsStaleUDP(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables"} {
		for name, f := range ipFamilies() {
			t.Run(method+"/"+name, func(t *testing.T) {
				p := newSegmentLab(t, 2)
				b := p.put(method)
				defer b.Close()
				s := ruledService(f, harness.UDP, 0, 1)
				if err := b.Sync(t.Context(), []service.Service{s}); err != nil {
					t.Fatal(err)
				}
				c, err := p.dial(harness.UDP, s.VIP)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for _, step := range []struct {
					why     string
					weights []int
					want    string
				}{
					{"at first", nil, "0"},
					{"a drained backend keeps it", []int{0, 1}, "0"},
					{"a backend that went", []int{-1, 1}, "1"},
					{"and back", []int{1, -1}, "0"},
				} {
					if step.weights != nil {
						if err := b.Update(t.Context(), ruledService(f, harness.UDP, 0, step.weights...)); err != nil {
							t.Fatal(err)
						}
					}
					if got, err := ask(c); err != nil || got != step.want {
						t.Errorf("%s: answered by %q, want %s: %v", step.why, got, step.want, err)
					}
				}
				counts, err := b.Counters()
				if err != nil || counts["conntrack_entries"] == 0 {
					t.Errorf("counters %v: %v", counts, err)
				}
				if err := b.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				if counts, err = b.Counters(); err != nil || counts["conntrack_entries"] != 0 {
					t.Errorf("after Flush: counters %v: %v", counts, err)
				}
				if n := b.MaxFlows(); n < 1024 {
					t.Errorf("MaxFlows is %d", n)
				}
			})
		}
	}
}

// rules shows all rules of the balancer's namespace in both forms.
// policyLine is a built-in chain that accepts, with its counters.
var policyLine = regexp.MustCompile(`^:[A-Z]+ ACCEPT \[[0-9]+:[0-9]+\]\n$`)

func (p *segmentLab) rules() string {
	p.t.Helper()
	var all strings.Builder
	for _, cmd := range [][]string{{"iptables-legacy-save"}, {"ip6tables-legacy-save"}, {"nft", "list", "ruleset"}} {
		c, err := findTool(cmd[0], "")
		if err != nil {
			p.t.Fatal(err)
		}
		out, err := c.run(p.t.Context(), p.at.NS, nil, cmd[1:]...)
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			// A legacy table once made stays, with its built-in chains.
			if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "*") && line != "COMMIT\n" &&
				!policyLine.MatchString(line) {
				all.WriteString(line)
			}
		}
	}
	return all.String()
}

func TestKernelNoticesAndLeavesNothing(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables", "forward"} {
		t.Run(method, func(t *testing.T) {
			p := newSegmentLab(t, 1)
			var sysctl string
			read := func() string {
				if err := sys.InNS(p.at.NS, func() (err error) { sysctl, err = place.SetSysctl("ipv4/ip_forward", "0"); return err }); err != nil {
					t.Fatal(err)
				}
				return sysctl
			}
			if got := read(); got != "0" {
				t.Fatalf("ip_forward begins as %s", got)
			}
			b := p.put(method)
			s4, s6 := ruledService(ipv4, harness.TCP, 0, 1), ruledService(ipv6, harness.TCP, 0, 1)
			if err := b.Sync(t.Context(), []service.Service{s4, s6}); err != nil {
				t.Fatal(err)
			}
			p.reached(s4, "0")
			p.reached(s6, "0")
			if err := b.InForce(); err != nil {
				t.Fatal(err)
			}
			if method == "forward" {
				if rules := p.rules(); rules != "" {
					t.Errorf("forward made rules:\n%s", rules)
				}
				read() // switches forwarding off
			} else {
				name, args := "nft", []string{"add", "table", "ip", "stranger"}
				if method == "iptables" {
					name, args = "iptables-legacy", []string{"-t", "nat", "-D", "PREROUTING", "1"}
				}
				c, err := findTool(name, "")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.run(t.Context(), p.at.NS, nil, args...); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.InForce(); err == nil {
				t.Error("someone else's change was not noticed")
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if err := b.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
			if rules := strings.Replace(p.rules(), "table ip stranger {\n}\n", "", 1); rules != "" {
				t.Errorf("left behind:\n%s", rules)
			}
			if got := read(); got != "0" {
				t.Errorf("ip_forward is left as %s", got)
			}
			// Another can be put there.
			next := p.put("nftables")
			defer next.Close()
			if err := next.Sync(t.Context(), []service.Service{s4}); err != nil {
				t.Fatal(err)
			}
			p.reached(s4, "0")
		})
	}
}

func TestForwardMovesWithItsFirstBackend(t *testing.T) {
	p := newSegmentLab(t, 2)
	b := p.put("forward")
	defer b.Close()
	first, last := ruledService(ipv4, harness.TCP, 0, 1, -1), ruledService(ipv4, harness.TCP, 9, -1, 1)
	if err := b.Sync(t.Context(), []service.Service{first, last}); err != nil {
		t.Fatal(err)
	}
	p.reached(first, "0")
	p.reached(last, "0") // one route for all
	if err := b.Update(t.Context(), ruledService(ipv4, harness.TCP, 0, -1, 1)); err != nil {
		t.Fatal(err)
	}
	p.reached(first, "1")
	if err := b.Sync(t.Context(), []service.Service{last}); err != nil {
		t.Fatal(err)
	}
	if c, err := p.dial(harness.TCP, first.VIP); err == nil {
		c.Close()
		t.Error("the route of a service that is no more was left")
	}
}

func TestKernelStopsWhenTold(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables", "iptables/at once", "iptables-nft/at once", "nftables/at once"} {
		t.Run(method, func(t *testing.T) {
			p := newSegmentLab(t, 0)
			method, atOnce := strings.CutSuffix(method, "/at once")
			b := p.put(method)
			defer b.Close()
			ctx, cancel := context.WithCancel(t.Context())
			if atOnce { // before the first command
				cancel()
			}
			time.AfterFunc(200*time.Millisecond, cancel)
			services := ruledServices(ipv4, 5000, 1, 1, 1, 1)
			begin := time.Now()
			err := b.Sync(ctx, services)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("Sync ended with %v, want it to be cancelled", err)
			}
			if took := time.Since(begin); took > 1500*time.Millisecond {
				t.Errorf("Sync went on for %v", took)
			}
			// And is good for another try.
			if err := b.Sync(t.Context(), services[:10]); err != nil {
				t.Fatal(err)
			}
			if err := b.InForce(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKernelRefusesBadServices(t *testing.T) {
	p := newSegmentLab(t, 0)
	b := p.put("nftables")
	defer b.Close()
	mixed := ruledService(ipv4, harness.TCP, 0)
	mixed.Backends = []service.Backend{realBackend(ipv6, 0, 1)}
	s := ruledService(ipv4, harness.TCP, 0, 1)
	for name, services := range map[string][]service.Service{"backend of the other family": {mixed}, "given twice": {s, s}} {
		if err := b.Sync(t.Context(), services); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := b.Update(t.Context(), s); err == nil {
		t.Error("update of a service that is not there: no error")
	}
}
