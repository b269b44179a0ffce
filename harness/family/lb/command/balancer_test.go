// SPDX-License-Identifier: Apache-2.0

package command

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/command"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/sys"
)

var web = service.Service{
	VIP: netip.MustParseAddrPort("198.19.128.1:80"), Proto: harness.TCP,
	Backends: []service.Backend{{Addr: netip.MustParseAddrPort("198.18.2.1:8080"), Weight: 1}, {Addr: netip.MustParseAddrPort("198.18.2.2:8080"), Weight: 0}},
}

// site is one whose link has addresses and a route.
func site(t *testing.T) harness.Site {
	t.Helper()
	at := labtest.BpfSite(t)
	err := sys.InNS(at.NS, func() error {
		link, err := netlink.LinkByName(at.Link)
		if err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		var errs []error
		for _, a := range []netip.Prefix{at.Addr4, at.Addr6} {
			addr, err := netlink.ParseAddr(a.String())
			errs = append(errs, err, netlink.AddrAdd(link, addr))
		}
		return errors.Join(append(errs, netlink.LinkSetUp(lo))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// variant is one whose up, sync and down are one shell script.
func variant(class, script string) harness.Variant {
	return harness.Variant{Name: "t", Class: class, Attach: harness.AttachCommand, Command: &harness.Command{Up: "t.sh", Sync: "t.sh", Flush: "t.sh",
		Contents: []harness.CommandFile{{Name: "t.sh", Mode: 0o755, Content: []byte("#!/bin/sh\nset -e\n" + script)}}}}
}

// TestPlace: programs find their place and the services, and may leave rules, links and addresses of services.
func TestPlace(t *testing.T) {
	at := site(t)
	const script = `
env >env; cat $KXLAB_SERVICES >services; cat $KXLAB_BACKENDS >backends
[ $KXLAB_ACTION = up ] || exit 0
nft add table ip t
ip link add d0 type veth peer d1
ip link set d0 up
ip address add 198.19.128.1/32 dev d0
`
	lb, err := newBalancer(variant("nat", script), at, command.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lb.Close()
	if err := lb.Sync(t.Context(), []service.Service{web}); err != nil {
		t.Fatal(err)
	}
	dir := lb.(*balancer).program.State()
	env, _ := os.ReadFile(dir + "/env")
	for _, want := range []string{"KXLAB_ACTION=up", "KXLAB_LINK=eth0", "KXLAB_ADDR4=198.18.0.10/16", "KXLAB_ADDR6=2001:2::10/64", "KXLAB_MTU=1600", "KXLAB_CLIENT_MTU=1500", "KXLAB_CLASS=nat", "KXLAB_SEED=7"} {
		if !strings.Contains("\n"+string(env), "\n"+want+"\n") {
			t.Errorf("no %s in:\n%s", want, env)
		}
	}
	raw, _ := os.ReadFile(dir + "/services")
	var got []jsonService
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := []jsonService{{"tcp", "198.19.128.1", 80, []jsonBackend{{"198.18.2.1", 8080, "", 1}, {"198.18.2.2", 8080, "", 0}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	lines, _ := os.ReadFile(dir + "/backends")
	if diff := cmp.Diff("tcp 198.19.128.1:80 198.18.2.1:8080 1\ntcp 198.19.128.1:80 198.18.2.2:8080 0\n", string(lines)); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	changed := web
	changed.Backends = nil
	if err := lb.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	env, _ = os.ReadFile(dir + "/env")
	lines, _ = os.ReadFile(dir + "/backends")
	if !strings.Contains(string(env), "KXLAB_ACTION=sync") || string(lines) != "tcp 198.19.128.1:80 - 0\n" {
		t.Errorf("after a change: %q, %s", lines, env)
	}
	if err := lb.Close(); err != nil {
		t.Error(err)
	}
	if err := lb.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// TestBadPrograms: what is wrong with a program is said in bounded time, and leaves nothing.
func TestBadPrograms(t *testing.T) {
	for _, tt := range []struct{ name, class, script, want string }{
		{"takes an address", "nat", "ip address del 198.18.0.10/16 dev eth0", "changed the place that the lab made: lost: "},
		{"takes an IPv6 address", "nat", "ip address del 2001:2::10/64 dev eth0", "changed the place that the lab made: lost: "},
		{"adds an address", "nat", "ip address add 198.18.0.77/16 dev eth0", "added: address 198.18.0.77/16"},
		{"adds an address of no service to a link of its own", "nat", "ip link add d0 type veth peer d1; ip link set d0 up; ip address add 10.1.2.3/32 dev d0", "added: address 10.1.2.3/32"},
		{"adds a default route", "nat", "ip route add default dev eth0", "added: route default on link eth0"},
		{"adds a route in a table of its own", "nat", "ip route add 10.0.0.0/8 dev eth0 table 77", "added: route 10.0.0.0/8 on link eth0, table 77"},
		{"removes a route", "nat", "ip route del 198.18.0.0/16", "lost: route 198.18.0.0/16 on link eth0"},
		{"takes the services' route", "nat", "ip route del local 198.19.128.1 table local", "lost: local route 198.19.128.1/32 on link lo"},
		{"changes the MTU", "nat", "ip link set eth0 mtu 1400", "lost: link eth0"},
		{"sets the link down", "nat", "ip link set eth0 down", "lost: link eth0"},
		{"deletes the link", "nat", "ip link del eth0", "its program removed the link eth0"},
		{"moves the link", "nat", "ip link set eth0 down; ip link set eth0 name other; unshare -n sleep 100 & sleep 0.1; ip link set other netns $!", "its program removed the link eth0"},
		{"renames the link", "nat", "ip link set eth0 down; ip link set eth0 name other", "changed the place that the lab made: lost: link eth0"},
		{"fails as it removed the link", "nat", "ip link del eth0; exit 5", "its program removed the link eth0 from the namespace\nrun up: exit status 5"},
		{"is a proxy that listens nowhere", "proxy", "sleep 1000", "connect to 198.19.128.1:80: connection refused"},
		{"is a proxy that ends and listens nowhere", "proxy", "echo hm", "run up: it ended with exit status 0, but nothing accepts connections: network namespace"},
		{"fails", "nat", "echo why >&2; exit 5", "exit status 5; it printed: why"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := site(t)
			lb, err := newBalancer(variant(tt.class, tt.script), at, command.Options{UpTime: 2 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err = lb.Sync(t.Context(), []service.Service{web})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			dir := lb.(*balancer).program.State()
			if err := lb.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left", dir)
			}
		})
	}
}

// TestPeculiarities: a definition names those of its program.
func TestPeculiarities(t *testing.T) {
	at := site(t)
	v := variant("nat", ":")
	v.Command.Peculiarities = []string{"routes"}
	lb, err := newBalancer(v, at, command.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lb.Close()
	if got, want := lb.(service.Peculiar).Peculiarities(), (service.Peculiarities{Routes: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	v.Command.Peculiarities = []string{"root"}
	if _, err := newBalancer(v, at, command.Options{}); err == nil || !strings.Contains(err.Error(), `unknown peculiarity "root"`) {
		t.Errorf("error %v", err)
	}
}

// TestLaterFaults: a change of the place after the program was ready takes it out of force.
func TestLaterFaults(t *testing.T) {
	at := site(t)
	lb, err := newBalancer(variant("nat", ":"), at, command.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer lb.Close()
	if err := lb.InForce(); err == nil {
		t.Error("in force before up")
	}
	if err := lb.Sync(t.Context(), []service.Service{web}); err != nil {
		t.Fatal(err)
	}
	if err := lb.InForce(); err != nil {
		t.Error(err)
	}
	err = sys.InNS(at.NS, func() error {
		link, err := netlink.LinkByName(at.Link)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, 1300)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lb.InForce(); err == nil || !strings.Contains(err.Error(), "MTU 1600") {
		t.Errorf("error %v, want the old MTU", err)
	}
}
