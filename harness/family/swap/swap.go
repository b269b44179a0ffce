// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/netlab"
)

// Family is the family of replacements at run time.
type Family struct{ Loader *bpfobj.Loader }

// The workloads: what passes is packets or, by the kind of way, requests that programs answer, connections, or requests that are scheduled.
const (
	workloadPackets     = "replace"
	workloadRequests    = "requests"
	workloadConnections = "connections"
	workloadSchedulers  = "schedulers"
)

// methodNone replaces nothing.
const methodNone = "xdp-none"

// Methods names the ways to replace.
func (f Family) Methods() []string { return methods(f.Loader, 1, false).Names() }

// GuestMethods names those that change the whole machine.
func (Family) GuestMethods() []string { return []string{"module", "sched-link", "sched-detach"} }

// Workloads names the workloads.
func (Family) Workloads() []string {
	return []string{workloadPackets, workloadRequests, workloadConnections, workloadSchedulers}
}

// Axes names the axes: how many replacements in a trial, and how many rules in a table (a set-up axis).
func (Family) Axes() []string { return []string{"swaps", "rules"} }

// CheckAxis returns an error unless the axis can have the value.
func (Family) CheckAxis(name, value string) error {
	most := map[string]int{"swaps": abi.SwapGenerations - 2, "rules": 100_000}[name]
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > most || strconv.Itoa(n) != value {
		return fmt.Errorf("%s=%s: want a whole number from 1 to %d", name, value, most)
	}
	return nil
}

// A stage is a segment with a host for each member, all in force.
type stage struct {
	segment *netlab.Segment
	exact   bool
	guest   bool
	members map[string]*member
	absent  map[string]error
}

// A member is one way in force on its host.
type member struct {
	way    way
	host   *netlab.Host
	cgroup string // of its own; "" on a machine without cgroup v2
	none   bool   // replaces nothing
	clock  uint32 // packets for one reading of the sink's clock
}

// clockPackets is the number of packets for one reading of the sink's clock, by class. A reading takes a seventh of a packet's time at XDP
// and a thirtieth in the stack.
func clockPackets(class string) uint32 {
	switch class {
	case harness.ClassCeiling, "xdp", "tail":
		return 8
	}
	return 1
}

// Prepare builds a segment and puts every member in force on it, with version 1.
func (f Family) Prepare(ctx context.Context, g harness.Group) (_ harness.Stage, err error) {
	rules := 1
	for _, a := range g.Axes {
		if rules, err = strconv.Atoi(a.Value); a.Name != "rules" || err != nil {
			return nil, fmt.Errorf("axis %s=%s cannot be set up, only rules=NUMBER", a.Name, a.Value)
		}
	}
	s := &stage{exact: g.Exact, guest: g.Guest || g.Exact, members: map[string]*member{}, absent: map[string]error{}}
	if s.segment, err = netlab.New(ctx, netlab.Options{Reals: 1}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	ways := methods(f.Loader, rules, s.guest)
	for _, m := range g.Members {
		g.Begin(m)
		if err := s.add(ctx, ways, m, g.Seed); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			s.absent[m.Name] = err
		}
	}
	if err := s.withoutIPv6(); err != nil {
		return nil, err
	}
	return s, nil
}

// withoutIPv6 switches off IPv6 in all members' hosts: its control packets would be sent from another CPU, which would then receive the
// numbered packets as well. A host that comes later would not find the others without IPv6.
func (s *stage) withoutIPv6() error {
	for _, m := range s.members {
		err := m.host.Do(func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0) })
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("switch off IPv6: %w", err)
		}
	}
	return nil
}

// add makes a host, which forwards numbered packets to the real, and puts a member in force there.
func (s *stage) add(ctx context.Context, ways harness.Methods[way], of harness.Member, seed uint64) error {
	host, err := s.segment.AddBalancer(ctx)
	if err != nil {
		return err
	}
	cgroup, err := s.segment.AddCgroup(filepath.Base(host.NSPath))
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: host.Ifindex, Dst: vipNet(), Gw: s.segment.Reals[0].Addr4.Addr().AsSlice()}
	if err := host.Handle().RouteReplace(route); err != nil {
		return fmt.Errorf("route numbered packets: %w", err)
	}
	m := &member{host: host, cgroup: cgroup, none: of.Attach == methodNone, clock: clockPackets(of.Class)}
	if m.way, err = ways.Put(ctx, of.Variant, host.Site(0, cgroup, seed)); err != nil {
		return err
	}
	s.members[of.Name] = m
	return nil
}

// vipNet is the destination of numbered packets.
func vipNet() *net.IPNet {
	return &net.IPNet{IP: netlab.VIP(4, 0).AsSlice(), Mask: net.CIDRMask(32, 32)}
}

// Absent returns the errors of members that could not be put in force.
func (s *stage) Absent() map[string]error { return s.absent }

func (s *stage) member(name string) (*member, error) {
	if m := s.members[name]; m != nil {
		return m, nil
	}
	if err := s.absent[name]; err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("no member %q in this group", name)
}

// begin puts version 1 in force again, without load.
func (m *member) begin(ctx context.Context) error {
	return m.host.Do(func() error {
		if err := m.way.Load(ctx, 1); err != nil {
			return err
		}
		return m.way.Replace(ctx)
	})
}

// A traffic is what passes while versions replace one another, with the proof of how each part of it was served.
type traffic interface {
	// steady has some pass and returns an error unless version 1 alone serves it.
	steady(ctx context.Context) error
	// measure measures replacements, the first of them to version 2.
	measure(ctx context.Context, w way, replacements int) (harness.Result, error)
	close() error
}

// openTraffic opens what passes through a member.
func (s *stage) openTraffic(m *member) (traffic, error) {
	switch w := m.way.(type) {
	case *answerWay:
		return s.openRequests(m, w), nil
	case *opsWay:
		return s.openConnections(m, w)
	case *schedWay:
		return s.openProbes(m, w)
	}
	return s.openLoad(m)
}

// workload is that which measures a member.
func (m *member) workload() string {
	switch m.way.(type) {
	case *answerWay:
		return workloadRequests
	case *opsWay:
		return workloadConnections
	case *schedWay:
		return workloadSchedulers
	}
	return workloadPackets
}

// Check is the gate: without a replacement version 1 alone serves what passes.
func (s *stage) Check(ctx context.Context, name string) (err error) {
	m, err := s.member(name)
	if err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	l, err := s.openTraffic(m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return harness.Wrap(l.steady(ctx), "one version, nothing replaced")
}

// Measure measures one cell.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (r harness.Result, err error) {
	m, err := s.member(c.Variant)
	if err != nil {
		return r, err
	}
	n, err := strconv.Atoi(c.Axis("swaps"))
	if err != nil || !slices.Contains(Family{}.Workloads(), c.Workload) {
		return r, fmt.Errorf("measure %s: want a workload of %v and axis swaps", c.At(), Family{}.Workloads())
	}
	if w := m.workload(); c.Workload != w {
		return r, harness.Skip("%s is measured by workload %s", c.Variant, w)
	}
	if err := m.begin(ctx); err != nil {
		return r, err
	}
	if b.Exact {
		defer exact.Quiet()()
	}
	l, err := s.openTraffic(m)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return l.measure(ctx, m.way, n)
}

// Close takes every member out of force and removes the segment.
func (s *stage) Close() error {
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.way.Close())
	}
	return errors.Join(append(errs, s.segment.Close())...)
}
