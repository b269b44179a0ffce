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

// A Subject is a balancer in force with its surroundings.
type Subject struct {
	Segment   *netlab.Segment
	Host      *netlab.Host // of the balancer
	Cgroup    string       // of the clients, for the class socket
	Class     string
	Balancer  service.Balancer
	Services  []service.Service // the last is the TCP service to test; one with the same address is its UDP service
	ReturnVia bool              // replies return through the balancer
	ClientMTU int               // largest IP packet that clients and reals exchange, bytes
}

const (
	// arrivalTime is the longest wait for a frame that must come.
	arrivalTime = 500 * time.Millisecond
	// absenceTime is the wait for a frame that must not come.
	absenceTime = 15 * time.Millisecond
)

// Check returns an error that names the failed case unless the subject does the work of its class. It takes seconds.
// Afterwards the subject has its services as before and no connections.
func Check(ctx context.Context, s Subject) error {
	if s.Class == service.ClassProxy {
		return checkProxy(ctx, s)
	}
	steps := []struct {
		name string
		run  func(context.Context, Subject) error
	}{
		{"packets", func(ctx context.Context, s Subject) error {
			return s.withJudge(func(j *judge) error { return j.packets(ctx, s.ClientMTU) })
		}},
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

// hostAddr returns a host's own address in one IP family.
func hostAddr(h *netlab.Host, v6 bool) netip.Addr {
	if v6 {
		return h.Addr6.Addr()
	}
	return h.Addr4.Addr()
}

// withJudge calls run with a judge at the subject's link, or not at all for a class that handles no packets.
func (s Subject) withJudge(run func(*judge) error) (err error) {
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
