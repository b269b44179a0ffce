// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A Subject is a balancer in force with all that is needed to judge it.
type Subject struct {
	Segment   *netlab.Segment
	Host      *netlab.Host // where it stands
	Cgroup    string       // in which clients run, for the class socket
	Class     string
	Balancer  harness.Balancer
	Services  []harness.Service // the last is the TCP service to test; one with the same address is its UDP service
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

// scene sets up who takes part.
func (s Subject) scene() (*scene, error) {
	sc := &scene{client: s.Segment.Client, balancer: s.Host, tcp: s.Services[len(s.Services)-1]}
	i := slices.IndexFunc(s.Services, func(x harness.Service) bool {
		return x.VIP == sc.tcp.VIP && x.Proto == harness.UDP
	})
	if sc.tcp.Proto != harness.TCP || i < 0 {
		return nil, errors.New("the last service must be TCP and have a UDP service at the same address")
	}
	sc.udp = s.Services[i]
	return sc, nil
}

// checkPackets runs the fixtures.
func checkPackets(ctx context.Context, s Subject) (err error) {
	expect := s.expectation()
	if expect == nil {
		return nil // the class handles no packets
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
	for _, f := range sc.fixtures(s.ClientMTU) {
		if f.class != "" && f.class != s.Class {
			continue
		}
		if s.Class == harness.ClassCeiling && (f.fate != forwarded || f.quotes) {
			continue // a ceiling moves packets and knows nothing of services
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.judge(f, sc, expect, s.Class); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// judge sends a fixture's frames one after the other and judges what comes out.
func (t *tap) judge(f fixture, sc *scene, expect expectation, class string) error {
	var first *harness.Backend
	for i, frame := range f.frames {
		if err := t.send(frame); err != nil {
			return err
		}
		if f.fate != forwarded && f.fate != answered {
			continue
		}
		in, err := parse(frame)
		if err != nil {
			return fmt.Errorf("fixture: %w", err)
		}
		out, err := t.next(patience, f.fate == forwarded)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if out == nil {
			return fmt.Errorf("frame %d: nothing came out of the balancer", i)
		}
		if f.fate == answered {
			if err := f.reply(*out); err != nil {
				return fmt.Errorf("frame %d: %w", i, err)
			}
			continue
		}
		to, err := sc.backend(in, *out, class)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if first == nil {
			first = to
		} else if first.Addr != to.Addr {
			return fmt.Errorf("frame %d went to %s, the flow began at %s", i, to.Addr, first.Addr)
		}
		if err := expect(in, *out, *to); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if class == "nat" && in.isSYN() {
			if err := t.answer(sc, in, *to); err != nil {
				return fmt.Errorf("answer to frame %d: %w", i, err)
			}
		}
	}
	return t.quiet(f, sc, expect, class)
}

// answer sends the backend's SYN-ACK through the balancer, as replies of the class nat travel, and expects it at the
// client with the service's address: without it no connection is established, and conntrack would drop what follows.
func (t *tap) answer(sc *scene, syn packet, from harness.Backend) error {
	segment := synAck(from.Addr, syn.from)
	frame := sc.ether(ip(from.Addr.Addr(), syn.from.Addr(), protoTCP, 64, nil, segment))
	copy(frame[6:12], from.MAC)
	if err := t.send(frame); err != nil {
		return err
	}
	out, err := t.next(patience, false)
	switch {
	case err != nil:
		return err
	case out == nil:
		return errors.New("nothing came out of the balancer")
	case out.from != syn.to || out.to != syn.from:
		return fmt.Errorf("it goes from %s to %s, want %s to %s", out.from, out.to, syn.to, syn.from)
	}
	want := routed(ip(syn.to.Addr(), syn.from.Addr(), protoTCP, 64, nil, synAck(syn.to, syn.from)))
	return same("packet", want, out.ip)
}

// quiet looks at what came out unasked: for frames that must not reach a backend nothing may, and what may come out
// must be right.
func (t *tap) quiet(f fixture, sc *scene, expect expectation, class string) error {
	if f.fate == forwarded || f.fate == answered {
		return nil
	}
	for {
		out, err := t.next(silence, true)
		if err != nil || out == nil {
			return err
		}
		in, err := parse(f.frames[0])
		switch {
		case f.fate == dropped:
			return fmt.Errorf("a frame reached a backend: %x", out.frame)
		case err != nil:
			return fmt.Errorf("fixture: %w", err)
		case f.fate == alone:
			if out.to != in.to {
				return fmt.Errorf("it was balanced, to %s", out.to)
			}
			continue
		}
		if len(out.ip) == len(in.ip) && out.to == in.to {
			continue // routed on untouched
		}
		to, err := sc.backend(in, *out, class)
		if err != nil {
			return err
		}
		if err := expect(in, *out, *to); err != nil {
			return err
		}
	}
}

// next returns the next frame from the balancer: with toReal only those whose destination MAC is a real's.
func (t *tap) next(wait time.Duration, toReal bool) (*packet, error) {
	deadline := time.Now().Add(wait)
	for {
		frame, err := t.receive(time.Until(deadline))
		if err != nil || frame == nil {
			return nil, err
		}
		p, err := parse(frame)
		isReal := len(p.dst) == 6 && p.dst[3] == byte(netlab.RoleReal)
		if toReal != isReal {
			continue // neighbour discovery and the like
		}
		if err != nil {
			return nil, fmt.Errorf("the balancer sent a malformed frame: %w: %x", err, frame)
		}
		return &p, nil
	}
}

// backend finds the backend to which a frame was sent, by its destination MAC.
func (sc *scene) backend(in, out packet, class string) (*harness.Backend, error) {
	service := sc.tcp
	if in.proto == protoUDP {
		service = sc.udp
	}
	if !bytes.Equal(out.src, sc.balancer.MAC) {
		return nil, fmt.Errorf("sent from %s, not from the balancer's own address", out.src)
	}
	for i, b := range service.Backends {
		if bytes.Equal(b.MAC, out.dst) {
			return &service.Backends[i], nil
		}
	}
	if class == harness.ClassCeiling {
		return &harness.Backend{MAC: out.dst}, nil
	}
	return nil, fmt.Errorf("sent to %s, which is none of the service's backends", out.dst)
}
