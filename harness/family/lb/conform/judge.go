// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A wire leads into a balancer and out of it again.
type wire interface {
	// send gives the balancer one frame.
	send(frame []byte) error
	// receive returns the next frame that the balancer sent, or nil after the time.
	receive(wait time.Duration) ([]byte, error)
}

// A judge gives frames to a balancer and judges what becomes of them.
type judge struct {
	wire
	sc     *scene
	class  string
	expect expectation
}

// packets runs the fixtures of the class.
func (j *judge) packets(ctx context.Context, clientMTU int) error {
	for _, f := range j.sc.fixtures(clientMTU) {
		if f.class != "" && f.class != j.class {
			continue
		}
		if j.class == harness.ClassCeiling && (f.fate != forwarded || f.quotes) {
			continue // a ceiling moves packets and knows nothing of services
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := j.judge(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// judge sends a fixture's frames one after the other and judges what comes out.
func (j *judge) judge(f fixture) error {
	var first *service.Backend
	for i, frame := range f.frames {
		if err := j.send(frame); err != nil {
			return err
		}
		if f.fate != forwarded && f.fate != answered {
			continue
		}
		in, err := parse(frame)
		if err != nil {
			return fmt.Errorf("fixture: %w", err)
		}
		out, err := j.next(patience, f.fate == forwarded)
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
		to, err := j.sc.backend(in, *out, j.class)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if first == nil {
			first = to
		} else if first.Addr != to.Addr {
			return fmt.Errorf("frame %d went to %s, the flow began at %s", i, to.Addr, first.Addr)
		}
		if err := j.expect(in, *out, *to); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if j.class == "nat" && in.isSYN() {
			if err := j.answer(in, *to); err != nil {
				return fmt.Errorf("answer to frame %d: %w", i, err)
			}
		}
	}
	return j.quiet(f)
}

// answer sends the backend's SYN-ACK through the balancer, as replies of the class nat travel, and expects it at the
// client with the service's address: without it no connection is established, and conntrack would drop what follows.
func (j *judge) answer(syn packet, from service.Backend) error {
	if err := j.send(j.sc.reply(from, ip(from.Addr.Addr(), syn.from.Addr(), protoTCP, 64, nil, synAck(from.Addr, syn.from)))); err != nil {
		return err
	}
	out, err := j.next(patience, false)
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
func (j *judge) quiet(f fixture) error {
	if f.fate == forwarded || f.fate == answered {
		return nil
	}
	for {
		out, err := j.next(silence, true)
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
		if expectRouted(in, *out, service.Backend{}) == nil {
			continue // routed on, not balanced
		}
		to, err := j.sc.backend(in, *out, j.class)
		if err != nil {
			return err
		}
		if err := j.expect(in, *out, *to); err != nil {
			return err
		}
	}
}

// next returns the next frame from the balancer: with toReal only those whose destination MAC is a real's.
func (j *judge) next(wait time.Duration, toReal bool) (*packet, error) {
	deadline := time.Now().Add(wait)
	for {
		frame, err := j.receive(time.Until(deadline))
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
func (sc *scene) backend(in, out packet, class string) (*service.Backend, error) {
	want := sc.tcp
	if in.proto == protoUDP {
		want = sc.udp
	}
	if !bytes.Equal(out.src, sc.balancer.MAC) {
		return nil, fmt.Errorf("sent from %s, not from the balancer's own address", out.src)
	}
	for i, b := range want.Backends {
		if bytes.Equal(b.MAC, out.dst) {
			return &want.Backends[i], nil
		}
	}
	if class == harness.ClassCeiling {
		return &service.Backend{MAC: out.dst}, nil
	}
	return nil, fmt.Errorf("sent to %s, which is none of the service's backends", out.dst)
}
