// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// Options describe a segment. The zero value of each field means its default.
type Options struct {
	Reals int // number of real hosts, at most MaxReals; 0: none
	// MTU is the largest IP packet that the links carry, bytes; default 1600, so that an outer header fits.
	MTU int
	// ClientMTU is the largest IP packet that the client and the reals send, bytes; default 1500.
	ClientMTU int
}

// A Segment is one layer-2 network of namespaces. Its methods may be called from several goroutines.
type Segment struct {
	Fabric    *Host // the bridge; it has no link and no addresses of its own
	Client    *Host
	Reals     []*Host
	Balancers []*Host
	// Cgroup is a threaded cgroup v2 for client threads (JoinCgroup), where variants of class socket are attached;
	// empty if the machine has no cgroup v2.
	Cgroup string

	mu       sync.Mutex
	opts     Options
	suffix   string // of names, distinguishes several segments of one process
	bridge   int    // index of the bridge
	pass     *ebpf.Program
	decap    *ebpf.Collection
	cgroups  []string
	selected selection
}

// New builds the fabric, the client and the reals, after removing the objects of dead owners. New needs root. A kernel
// without namespaces, bridges or veth yields an error that wraps harness.ErrNotSupported.
func New(ctx context.Context, opts Options) (*Segment, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("build segment: network namespaces need root: run as root or with sudo")
	}
	opts.MTU, opts.ClientMTU = cmp.Or(opts.MTU, 1600), cmp.Or(opts.ClientMTU, 1500)
	if opts.Reals < 0 || opts.Reals > MaxReals {
		return nil, fmt.Errorf("build segment: %d reals, want 0 to %d", opts.Reals, MaxReals)
	}
	if opts.ClientMTU > opts.MTU || opts.ClientMTU < 1280 {
		return nil, fmt.Errorf("build segment: client MTU %d, want 1280 to the link's %d", opts.ClientMTU, opts.MTU)
	}
	if _, err := Clean(ctx); err != nil {
		return nil, fmt.Errorf("remove leftovers: %w", err)
	}
	s := &Segment{opts: opts}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build segment: %w", err), s.Close())
	}
	return s, nil
}

func (s *Segment) build(ctx context.Context) error {
	if err := s.load(); err != nil {
		return err
	}
	if err := s.buildFabric(); err != nil {
		return err
	}
	var err error
	if s.Client, err = s.addHost(RoleClient, 0); err != nil {
		return err
	}
	if err := s.Fabric.Do(func() error { return apply(small) }); err != nil {
		return err
	}
	for i := range s.opts.Reals {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := s.addHost(RoleReal, i)
		if h != nil {
			s.Reals = append(s.Reals, h)
		}
		if err != nil {
			return err
		}
	}
	if s.Cgroup, err = s.AddCgroup("clients" + s.suffix); err != nil {
		return err
	}
	return s.settle(ctx, s.hosts()...)
}

// load loads the segment's own XDP programs.
func (s *Segment) load() error {
	spec, err := bpf.Open("traffic/pass")
	if err != nil {
		return err
	}
	if s.pass, err = ebpf.NewProgram(spec.Programs["pass"]); err != nil {
		return fmt.Errorf("load program pass: %w", err)
	}
	if spec, err = bpf.Open("traffic/decap"); err != nil {
		return err
	}
	s.decap, err = ebpf.NewCollection(spec)
	return harness.Wrap(err, "load program decap")
}

// AddBalancer adds a balancer host that forwards packets, with neighbour entries between it and all other hosts. Its eth0 has
// no XDP program yet.
func (s *Segment) AddBalancer(ctx context.Context) (*Host, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(s.Balancers) >= maxBalancers {
		return nil, fmt.Errorf("add balancer: the segment has %d already", maxBalancers)
	}
	h, err := s.addHost(RoleBalancer, len(s.Balancers))
	if h != nil {
		s.Balancers = append(s.Balancers, h) // also if incomplete: Close removes it
	}
	if err == nil {
		err = s.settle(ctx, h)
	}
	if err != nil {
		return nil, fmt.Errorf("add balancer: %w", err)
	}
	return h, nil
}

// hosts are all hosts with a link.
func (s *Segment) hosts() []*Host {
	var all []*Host
	if s.Client != nil {
		all = append(all, s.Client)
	}
	return append(append(all, s.Reals...), s.Balancers...)
}

// Close removes the segment: all links with one request, so that none is left when it returns, then the names. It may be
// called on an incomplete segment and more than once.
func (s *Segment) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	hosts := s.hosts()
	if s.Fabric != nil {
		errs = append(errs, deleteLinks(s.Fabric.ns))
		hosts = append(hosts, s.Fabric)
	}
	for _, h := range hosts {
		errs = append(errs, h.close())
	}
	for _, path := range slices.Backward(s.cgroups) {
		errs = append(errs, leaveCgroup(path))
	}
	if s.pass != nil {
		errs = append(errs, s.pass.Close())
	}
	if s.decap != nil {
		s.decap.Close()
	}
	s.Fabric, s.Client, s.Reals, s.Balancers, s.cgroups, s.pass, s.decap = nil, nil, nil, nil, nil, nil, nil
	return harness.Wrap(errors.Join(errs...), "remove segment")
}

// buildFabric makes the namespace of the bridge and the bridge.
func (s *Segment) buildFabric() (err error) {
	if s.Fabric, s.suffix, err = makeFirst("fabric", common, fabrics); err != nil {
		return err
	}
	off := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group = "segment", s.opts.MTU, linkGroup
	br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}
	h := s.Fabric.handle
	if err := h.LinkAdd(br); err != nil {
		return fmt.Errorf("make bridge: %w", markUnsupported(err))
	}
	s.bridge = br.Index
	if err := h.LinkSetMTU(br, s.opts.MTU); err != nil {
		return fmt.Errorf("set bridge MTU: %w", err)
	}
	return harness.Wrap(h.LinkSetUp(br), "set bridge up")
}
