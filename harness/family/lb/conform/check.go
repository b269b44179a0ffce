// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A Subject is a balancer in force with all that is needed to judge it.
type Subject struct {
	Segment   *netlab.Segment
	Host      *netlab.Host // where it stands
	Cgroup    string       // in which clients run, for the class socket
	Class     string
	Balancer  service.Balancer
	Services  []service.Service // the last is the TCP service to test; one with the same address is its UDP service
	ReturnVia bool              // replies travel back through the balancer
	ClientMTU int               // largest IP packet that clients and reals exchange, bytes
}

const (
	// patience is how long to wait for a frame that must come, silence for one that must not.
	patience = 500 * time.Millisecond
	silence  = 15 * time.Millisecond
)

// Check proves that the subject does its class's job, within seconds. The error names the case that failed. The
// subject's connections are forgotten and its services left as they were.
func Check(ctx context.Context, s Subject) error {
	steps := []struct {
		name string
		run  func(context.Context, Subject) error
	}{
		{"packets", checkPackets},
		{"changes", checkChanges},
		{"services", checkServices},
		{"flood", checkFlood},
		{"streams", checkStreams},
	}
	for _, step := range steps {
		if err := s.Balancer.Flush(ctx); err != nil {
			return fmt.Errorf("forget connections: %w", err)
		}
		if err := step.run(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return s.Balancer.Flush(ctx)
}

// hostAddr is a host's own address in one family.
func hostAddr(h *netlab.Host, v6 bool) netip.Addr {
	if v6 {
		return h.Addr6.Addr()
	}
	return h.Addr4.Addr()
}

// judged runs scenes with a judge at the subject's link. A class that handles no packets has none.
func (s Subject) judged(run func(*judge) error) (err error) {
	expect := s.expectation()
	if expect == nil {
		return nil
	}
	sc, err := s.scene()
	if err != nil {
		return err
	}
	t, err := openTap(s.Segment.Fabric, s.Host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	return run(&judge{wire: t, sc: sc, class: s.Class, expect: expect})
}

// scene sets up who takes part.
func (s Subject) scene() (*scene, error) {
	sc := &scene{client: s.Segment.Client, balancer: s.Host, tcp: s.Services[len(s.Services)-1]}
	i := slices.IndexFunc(s.Services, func(x service.Service) bool {
		return x.VIP == sc.tcp.VIP && x.Proto == harness.UDP
	})
	if sc.tcp.Proto != harness.TCP || i < 0 {
		return nil, errors.New("the last service must be TCP and have a UDP service at the same address")
	}
	sc.udp = s.Services[i]
	return sc, nil
}

// checkPackets runs the fixtures.
func checkPackets(ctx context.Context, s Subject) error {
	return s.judged(func(j *judge) error { return j.packets(ctx, s.ClientMTU) })
}
