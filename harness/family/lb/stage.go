// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/exact"
	"github.com/kxlab/kxlab/harness/family/lb/command"
	"github.com/kxlab/kxlab/harness/family/lb/conform"
	"github.com/kxlab/kxlab/harness/family/lb/control"
	"github.com/kxlab/kxlab/harness/family/lb/kernel"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/packets"
	"github.com/kxlab/kxlab/harness/tcp"
)

// Family is the family of load balancers. Each member of a group has its own namespace on one segment and the same
// services, so that a trial of another member needs no set-up.
type Family struct{ Loader *bpfobj.Loader }

// Methods names the ways to put a load balancer in force.
func (f Family) Methods() []string { return methods(f.Loader).Names() }

// Settings returns the values of each setting, for each method with settings.
func (f Family) Settings() map[string]map[string][]string { return kernel.Settings() }

// A measurement measures one trial of one workload.
type measurement func(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error)

// workloads is the table of workloads, by name in an experiment's definition.
func (s *stage) workloads() map[string]measurement {
	return map[string]measurement{
		"pps":     s.pps,
		"newflow": s.newflow,
		"crr":     s.crr,
		"rr":      s.rr,
		"update":  s.update,
		"churn":   s.churn,
		"start":   s.start,
	}
}

// Workloads returns the names of the family's workloads, sorted.
func (Family) Workloads() []string { return slices.Sorted(maps.Keys((&stage{}).workloads())) }

// TurnWorkloads returns the workloads whose trials may be a tenth of a second long: what they measure is there from the first packet on.
func (Family) TurnWorkloads() []string { return []string{"crr", "pps", "rr"} }

// Axes names the axes the family understands.
func (Family) Axes() []string { return []string{"services", "ip", "flows", "size", "rate", "syn"} }

// CheckAxis returns an error unless the axis can have the value.
func (Family) CheckAxis(name, value string) error {
	n, err := strconv.Atoi(value)
	bounds := map[string]struct {
		least, most int
		unit        string
	}{
		"services": {1, netlab.MaxServices, "services"},
		"flows":    {1, packets.MaxFlows, "flows"},
		"size":     {64, 1514, "bytes of Ethernet frame"},
		"rate":     {0, 100_000_000, "packets per second, 0 for flat out"},
		"syn":      {0, 100, "percent of the packets"},
	}
	switch b, ok := bounds[name]; {
	case name == "ip" && value != "4" && value != "6":
		return fmt.Errorf("ip=%s: want 4 or 6", value)
	case ok && (err != nil || n < b.least || n > b.most || strconv.Itoa(n) != value): // one spelling: the value is part of the cell's name
		return fmt.Errorf("%s=%s: want a whole number from %d to %d, %s", name, value, b.least, b.most, b.unit)
	}
	return nil
}

// A stage is a segment with the members of a group in force.
type stage struct {
	methods harness.Methods[service.Balancer]
	segment *netlab.Segment
	servers *tcp.Servers
	exact   bool
	family  int // 4 or 6
	count   int // services
	members map[string]*member
	absent  map[string]error
}

// A member is one variant in force on its host. Workloads see the class and the balancer, not the variant.
type member struct {
	class    string
	host     *netlab.Host
	balancer service.Balancer
	services []service.Service
	site     harness.Site
}

// target returns the TCP service that gets the traffic: the last.
func (m *member) target() service.Service { return m.services[len(m.services)-1] }

// returnsVia is true if replies pass the balancer, which only address translation needs.
func (m *member) returnsVia() bool { return m.class == "nat" }

// Prepare builds a segment, puts every member in force on it and sets the same services for all.
func (f Family) Prepare(ctx context.Context, g harness.Group) (_ harness.Stage, err error) {
	s := &stage{methods: methods(f.Loader), family: 4, count: 1, exact: g.Exact, members: map[string]*member{}, absent: map[string]error{}}
	for _, a := range g.Axes {
		n, convErr := strconv.Atoi(a.Value)
		switch {
		case convErr != nil:
			return nil, fmt.Errorf("axis %s: %q is not a number", a.Name, a.Value)
		case a.Name == "services":
			s.count = n
		case a.Name == "ip" && (n == 4 || n == 6):
			s.family = n
		default:
			return nil, fmt.Errorf("axis %s=%s cannot be set up (services=1…30000, ip=4 or 6)", a.Name, a.Value)
		}
	}
	s.segment, err = netlab.New(ctx, netlab.Options{Reals: lbReals, ClientMTU: clientMTU})
	if err != nil {
		return nil, fmt.Errorf("build segment: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.servers, err = tcp.Serve(s.segment.Reals, tcp.ServerOptions{Alone: g.Exact}); err != nil {
		return nil, fmt.Errorf("start servers: %w", err)
	}
	for _, member := range g.Members {
		g.Begin(member)
		if err := s.add(ctx, member, g.Seed); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			s.absent[member.Name] = err
		}
	}
	return s, nil
}

// add puts one member in force with its services.
func (s *stage) add(ctx context.Context, of harness.Member, seed uint64) error {
	host, err := s.segment.AddBalancer(ctx)
	if err != nil {
		return fmt.Errorf("add balancer: %w", err)
	}
	m := &member{class: of.Class, host: host}
	if m.services, err = services(m.class, s.family, s.count, 0, s.segment.Reals); err != nil {
		return err
	}
	var cgroup string
	if m.class == "socket" {
		// A cgroup for each member: a program attached there must not affect the clients of other members.
		if cgroup, err = s.segment.AddCgroup(of.Name); err != nil {
			return err
		}
	}
	m.site = host.Site(clientMTU, cgroup, seed)
	if m.balancer, err = s.methods.Put(ctx, of.Variant, m.site); err != nil {
		return err
	}
	if err := m.balancer.Sync(ctx, m.services); err != nil {
		return harness.SetupError(errors.Join(fmt.Errorf("set up %d services: %w", s.count, err), m.balancer.Close()))
	}
	s.members[of.Name] = m
	return nil
}

// Absent returns the errors of members that could not be put in force.
func (s *stage) Absent() map[string]error { return s.absent }

// missing returns the reason that a member is not in force.
func (s *stage) missing(member string) error {
	if err := s.absent[member]; err != nil {
		return err
	}
	return fmt.Errorf("no member %q in this group", member)
}

// Check runs the correctness gate on a member.
func (s *stage) Check(ctx context.Context, member string) error {
	m, ok := s.members[member]
	if !ok {
		return s.missing(member)
	}
	if err := m.balancer.InForce(); err != nil {
		return err
	}
	return conform.Check(ctx, m.subject(s))
}

// subject returns the gate's view of the member.
func (m *member) subject(s *stage) conform.Subject {
	return conform.Subject{
		Segment: s.segment, Host: m.host, Cgroup: m.site.Cgroup, Class: m.class, Balancer: m.balancer,
		Services: m.services, ReturnVia: m.returnsVia(), ClientMTU: clientMTU,
	}
}

// Measure measures one cell: the member must be in force before and after, or the trial does not count.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (harness.Result, error) {
	m, ok := s.members[c.Variant]
	if !ok {
		return harness.Result{}, s.missing(c.Variant)
	}
	measure, ok := s.workloads()[c.Workload]
	if !ok {
		return harness.Result{}, fmt.Errorf("unknown workload %q", c.Workload)
	}
	if m.class == service.ClassProxy && c.Workload != "crr" && c.Workload != "rr" {
		return harness.Result{}, harness.Skip("not for class proxy, which ends connections: its workloads are crr and rr")
	}
	if err := m.balancer.InForce(); err != nil {
		return harness.Result{}, fmt.Errorf("before the trial: %w", err)
	}
	if err := s.segment.Select(m.host, m.returnsVia()); err != nil {
		return harness.Result{}, fmt.Errorf("select balancer: %w", err)
	}
	if err := m.balancer.Flush(ctx); err != nil {
		return harness.Result{}, fmt.Errorf("forget connections: %w", err)
	}
	if b.Exact {
		defer exact.Quiet()()
	}
	r, err := measure(ctx, m, c, b)
	if err != nil {
		return r, err
	}
	if err := m.balancer.InForce(); err != nil {
		r.Invalid = fmt.Sprintf("fell out of force during the trial: %v", err)
	}
	if b.Exact {
		r = addInstructions(r)
	}
	return r, nil
}

// Close detaches every member and removes the segment.
func (s *stage) Close() error {
	var errs []error
	for name, m := range s.members {
		errs = append(errs, harness.TakeDown(name, m.balancer.Close()))
	}
	if s.servers != nil {
		errs = append(errs, s.servers.Close())
	}
	if s.segment != nil {
		errs = append(errs, s.segment.Close())
	}
	return errors.Join(errs...)
}

// methods returns the ways to put a load balancer in force.
func methods(l *bpfobj.Loader) harness.Methods[service.Balancer] {
	all := control.Methods(l)
	maps.Copy(all, kernel.Methods())
	maps.Copy(all, command.Methods())
	return all
}
