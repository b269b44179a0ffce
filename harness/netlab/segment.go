// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/bpf"
)

// Options describe a segment. The zero value of each field means its default.
type Options struct {
	Reals int // how many real hosts, at most MaxReals; 0: none
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
	suffix   string // tells several segments of one process apart
	bridge   int    // index of the bridge
	pass     *ebpf.Program
	decap    *ebpf.Collection
	cgroups  []string
	selected selection
}

// New builds the fabric, the client and the reals, after removing what dead owners left. Not being root is an error that
// says so; a kernel without namespaces, bridges or veth yields one that wraps harness.ErrNotSupported.
func New(ctx context.Context, opts Options) (*Segment, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("build segment: network namespaces need root: run as root or with sudo")
	}
	if opts.MTU == 0 {
		opts.MTU = 1600
	}
	if opts.ClientMTU == 0 {
		opts.ClientMTU = 1500
	}
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

// load brings the XDP programs of the segment's own into the kernel.
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
	if s.decap, err = ebpf.NewCollection(spec); err != nil {
		return fmt.Errorf("load program decap: %w", err)
	}
	return nil
}

// stripped returns how many packets the reals took an outer IPv4 and an outer IPv6 header off.
func (s *Segment) stripped() (v4, v6 uint64, err error) {
	var counts [2]uint64
	for key := range counts {
		var perCPU []uint64
		if err := s.decap.Maps["stripped"].Lookup(uint32(key), &perCPU); err != nil {
			return 0, 0, fmt.Errorf("read stripped packets: %w", err)
		}
		for _, n := range perCPU {
			counts[key] += n
		}
	}
	return counts[0], counts[1], nil
}

// AddBalancer adds a balancer host. Everybody on the segment knows it, it knows everybody and forwards packets, and its
// eth0 carries no XDP program yet.
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
		s.Balancers = append(s.Balancers, h) // also if half made: Close takes it away
	}
	if err != nil {
		return nil, fmt.Errorf("add balancer: %w", err)
	}
	if err := s.settle(ctx, h); err != nil {
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

// Close takes the segment away: links first and at once, so that nothing is left when it returns, then the names. It
// may be called on a half-built segment and more than once.
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
	for i := len(s.cgroups) - 1; i >= 0; i-- {
		errs = append(errs, leaveCgroup(s.cgroups[i]))
	}
	if s.pass != nil {
		errs = append(errs, s.pass.Close())
	}
	if s.decap != nil {
		s.decap.Close()
	}
	s.Fabric, s.Client, s.Reals, s.Balancers, s.cgroups, s.pass, s.decap = nil, nil, nil, nil, nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove segment: %w", err)
	}
	return nil
}

// buildFabric makes the namespace of the bridge under the first name that no other segment of this process has.
func (s *Segment) buildFabric() error {
	for n := 1; ; n++ {
		if n > 1 {
			s.suffix = fmt.Sprintf(".%d", n)
		}
		h, err := makeHost("fabric"+s.suffix, 0, common, fabrics)
		if errors.Is(err, os.ErrExist) && n < 100 {
			continue
		}
		s.Fabric = h
		if err != nil {
			return err
		}
		break
	}
	off := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Group = "segment", s.opts.MTU, linkGroup
	br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}
	h := s.Fabric.handle
	if err := h.LinkAdd(br); err != nil {
		return fmt.Errorf("make bridge: %w", isUnsupported(err))
	}
	s.bridge = br.Index
	if err := h.LinkSetMTU(br, s.opts.MTU); err != nil {
		return fmt.Errorf("set bridge MTU: %w", err)
	}
	if err := h.LinkSetUp(br); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return nil
}
