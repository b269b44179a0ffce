// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/command"
	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// A balancer is a program or script in force. The first Sync runs Up.
//
// The lab makes the addresses of services local and turns on forwarding, as for IPVS, and, if the program attached none, puts the pass program
// at the link, as for all balancers in the kernel. Proxies get more ports for their own connections.
type balancer struct {
	at       harness.Site
	class    string
	peculiar service.Peculiarities
	program  *command.Command // nil: closed
	handle   *netlink.Handle
	pass     bpfobj.Place // nil: the program attached an XDP program of its own, or nothing runs
	services []service.Service
	local    map[bool]netip.Prefix // the local route of IPv4 (true) and IPv6
	before   picture               // with the local routes
	running  bool
}

// Methods returns the way to put a program in force as a balancer.
func Methods() harness.Methods[service.Balancer] {
	return harness.Methods[service.Balancer]{
		harness.AttachCommand: func(_ context.Context, v harness.Variant, at harness.Site) (service.Balancer, error) {
			return newBalancer(v, at, command.Options{})
		},
	}
}

// newBalancer prepares the place. Nothing runs yet.
func newBalancer(v harness.Variant, at harness.Site, opts command.Options) (_ service.Balancer, err error) {
	if v.Command == nil {
		return nil, errors.New("attach: command without a command")
	}
	b := &balancer{at: at, class: v.Class, local: map[bool]netip.Prefix{}}
	for _, name := range v.Command.Peculiarities {
		known := peculiarities(&b.peculiar)
		if err := harness.Known("peculiarity", name, slices.Sorted(maps.Keys(known))); err != nil {
			return nil, err
		}
		*known[name] = true
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	ns, err := netns.GetFromPath(at.NS)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", at.NS, err)
	}
	defer ns.Close()
	if b.handle, err = netlink.NewHandleAt(ns, unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("open netlink in %s: %w", at.NS, err)
	}
	opts.NS, opts.Env = at.NS, environment(v, at)
	if b.class == service.ClassProxy {
		opts.Ready = b.answers
	}
	if b.program, err = command.New(*v.Command, opts); err != nil {
		return nil, err
	}
	if err := b.configure(); err != nil {
		return nil, err
	}
	b.before, err = takePicture(b.handle, at)
	return b, err
}

// peculiarities are the words for them in definitions.
func peculiarities(p *service.Peculiarities) map[string]*bool {
	return map[string]*bool{"routes": &p.Routes, "fills-checksum": &p.FillsChecksum, "leaks-invalid": &p.LeaksInvalid}
}

// Peculiarities are those that the definition names.
func (b *balancer) Peculiarities() service.Peculiarities { return b.peculiar }

// configure sets the sysctls of the place. They go with its namespace.
func (b *balancer) configure() error {
	if _, err := place.Forward(b.at); err != nil {
		return err
	}
	_, err := place.SetSysctls(b.at.NS, "", []place.Sysctl{
		{Path: "ipv6/ip_nonlocal_bind", Value: "1", Optional: true}, // a local route alone does not let IPv6 bind
		{Path: "ipv4/ip_local_port_range", Value: "1024 65535"},     // a proxy has one address for all its connections
		{Path: "ipv4/tcp_tw_reuse", Value: "1"},
	})
	return err
}

// Sync sets the services: by the variant's sync, or by ending all and running up once more.
func (b *balancer) Sync(ctx context.Context, services []service.Service) error {
	if err := b.check(services); err != nil {
		return err
	}
	if err := b.makeLocal(services); err != nil {
		return err
	}
	b.services = slices.Clone(services)
	if err := b.write(); err != nil {
		return err
	}
	var err error
	switch {
	case !b.running:
		err = b.program.Up(ctx)
	case b.program.Has("sync"):
		err = b.program.Run(ctx, "sync")
	default:
		b.running = false
		err = b.program.Again(ctx)
	}
	if changed := b.before.changedNow(b); changed != nil && !errors.Is(err, harness.ErrNotSupported) {
		err = errors.Join(changed, err) // what failed may have failed for the change
	}
	if err != nil {
		return err
	}
	b.running = true
	if err := b.attachPass(); err != nil {
		return err
	}
	return b.InForce()
}

// check checks services as all balancers do.
func (b *balancer) check(services []service.Service) error {
	seen := map[service.Key]bool{}
	for i := range services {
		s := &services[i]
		if err := service.CheckService(s); err != nil {
			return err
		}
		if seen[s.Key()] {
			return fmt.Errorf("check service %s: it is listed twice", s.Key())
		}
		seen[s.Key()] = true
	}
	return nil
}

// makeLocal makes the addresses of services local.
func (b *balancer) makeLocal(services []service.Service) error {
	for _, v4 := range []bool{true, false} {
		of := slices.DeleteFunc(slices.Clone(services), func(s service.Service) bool { return s.VIP.Addr().Is4() != v4 })
		want, old := service.Spanning(of), b.local[v4]
		if want == old {
			continue
		}
		if err := b.before.changedNow(b); err != nil {
			return err
		}
		if want.IsValid() {
			if err := b.handle.RouteReplace(place.LocalRoute(want)); err != nil {
				return fmt.Errorf("make %s local: %w", want, err)
			}
		}
		if old.IsValid() {
			if err := b.handle.RouteDel(place.LocalRoute(old)); err != nil {
				return fmt.Errorf("remove local route %s: %w", old, err)
			}
		}
		b.local[v4] = want
		var err error
		if b.before, err = takePicture(b.handle, b.at); err != nil {
			return err
		}
	}
	return nil
}

// write writes the services for the programs.
func (b *balancer) write() error {
	raw, err := servicesJSON(b.services)
	if err == nil {
		err = b.program.WriteFile("KXLAB_SERVICES", "services.json", raw)
	}
	if err == nil {
		err = b.program.WriteFile("KXLAB_BACKENDS", "backends", backendsText(b.services))
	}
	return err
}

// attachPass puts the pass program at the link unless a program is there.
func (b *balancer) attachPass() error {
	if b.pass != nil {
		return nil
	}
	link, err := b.handle.LinkByIndex(b.at.Ifindex)
	if err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	if x := link.Attrs().Xdp; x != nil && x.Attached {
		return nil
	}
	b.pass, err = bpfobj.AttachPass(b.at)
	return err
}

// Update replaces a service.
func (b *balancer) Update(ctx context.Context, s service.Service) error {
	i := slices.IndexFunc(b.services, func(x service.Service) bool { return x.Key() == s.Key() })
	if i < 0 {
		return fmt.Errorf("update service %s: no such service", s.Key())
	}
	services := slices.Clone(b.services)
	services[i] = s
	return b.Sync(ctx, services)
}

// Flush runs the variant's flush, if it has one.
func (b *balancer) Flush(ctx context.Context) error {
	if !b.running || !b.program.Has("flush") {
		return nil
	}
	return b.program.Run(ctx, "flush")
}

// MaxFlows is 0: the lab does not know.
func (b *balancer) MaxFlows() int { return 0 }

// Counters are none: the lab does not know the program's.
func (b *balancer) Counters() (map[string]uint64, error) { return map[string]uint64{}, nil }

// InForce returns an error if the program's processes have ended, its place was changed, or a proxy does not answer.
func (b *balancer) InForce() error {
	if b.program == nil || !b.running {
		return errors.New("check command: it does not run")
	}
	if err := b.program.Fault(); err != nil {
		return err
	}
	if err := b.before.changedNow(b); err != nil {
		return err
	}
	if b.pass != nil {
		if err := b.pass.InForce(); err != nil {
			return err
		}
	}
	if b.class != service.ClassProxy {
		return nil
	}
	err := b.answers()
	if err != nil && b.program.Pid() == 0 {
		err = b.program.Explain(fmt.Errorf("it ended with exit status 0, but nothing accepts connections: %w", err))
	}
	return err
}

// changedNow compares the place with a picture.
func (p picture) changedNow(b *balancer) error {
	now, err := takePicture(b.handle, b.at)
	if err != nil {
		return err
	}
	return p.changed(now, b.services)
}

const (
	answerTime = 500 * time.Millisecond
	asked      = 8 // services at most
)

// answers returns an error unless connections to the services are accepted, asked from within the namespace.
func (b *balancer) answers() error {
	return sys.InNS(b.at.NS, func() error {
		for i := 0; i < len(b.services); i += max(1, len(b.services)/asked) {
			if err := ask(b.services[i].VIP); err != nil {
				return fmt.Errorf("connect to %s: %w", b.services[i].VIP, err)
			}
		}
		return nil
	})
}

// ask connects to an address and resets the connection.
func ask(to netip.AddrPort) error {
	family, address := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(to.Port())})
	if a := to.Addr(); a.Is4() {
		address.(*unix.SockaddrInet4).Addr = a.As4()
	} else {
		family, address = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: a.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	limit := unix.NsecToTimeval(int64(answerTime))
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
	)
	for deadline := sys.NewDeadline(answerTime); err == nil; {
		err = unix.Connect(fd, address)
		switch {
		case err == nil || errors.Is(err, unix.EISCONN):
			return nil
		case (errors.Is(err, unix.EINPROGRESS) || errors.Is(err, unix.EALREADY)) && !deadline.Over(): // the time of one call is over
			err = nil
		}
	}
	return err
}

// Close runs the variant's down, ends all processes and removes what they left beside the namespace's own.
func (b *balancer) Close() error {
	var errs []error
	if b.program != nil {
		errs = append(errs, b.program.Close())
	}
	if b.pass != nil {
		errs = append(errs, b.pass.Close())
	}
	if b.handle != nil {
		b.handle.Close()
	}
	b.program, b.pass, b.handle, b.running = nil, nil, nil, false
	return errors.Join(errs...)
}
