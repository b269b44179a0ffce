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

// A wire is both directions of a balancer's link.
type wire interface {
	// send sends one frame to the balancer.
	send(frame []byte) error
	// receive returns the next frame that the balancer sent, or nil after the time.
	receive(wait time.Duration) ([]byte, error)
}

// A judge sends frames to a balancer and checks the frames that the balancer sends.
type judge struct {
	wire
	sc     *scene
	class  string
	expect expectation
	came   int // packets that had to be forwarded and were
}

// packets runs the fixtures of the class.
func (j *judge) packets(ctx context.Context, clientMTU int) error {
	for _, f := range j.sc.fixtures(clientMTU) {
		if f.class != "" && f.class != j.class {
			continue
		}
		if j.class == harness.ClassCeiling && (f.action != actForward || f.quotes) {
			continue // a ceiling forwards all packets and has no services
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := j.check(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// check sends a fixture's frames one after the other and checks the result of each.
func (j *judge) check(f fixture) error {
	var to service.Backend
	for i, frame := range f.frames {
		if err := j.checkFrame(f, frame, &to); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
	}
	return j.checkRest(f)
}

// checkFrame sends a frame of a fixture and, if it must be forwarded or answered, checks the result. to is the backend
// of the flow, set by its first frame.
func (j *judge) checkFrame(f fixture, frame []byte, to *service.Backend) error {
	if err := j.send(frame); err != nil || f.action != actForward && f.action != actReply {
		return err
	}
	in, err := parse(frame)
	if err != nil {
		return fmt.Errorf("fixture: %w", err)
	}
	out, err := j.next(arrivalTime, f.action == actForward)
	switch {
	case err != nil:
		return err
	case out == nil:
		return j.nothing()
	case f.action == actReply:
		return f.reply(*out)
	}
	j.came++
	b, err := j.sc.backend(in, *out, j.class)
	if err != nil {
		return err
	}
	if to.MAC != nil && to.Addr != b.Addr {
		return fmt.Errorf("it went to %s, the flow began at %s", b.Addr, to.Addr)
	}
	*to = *b
	if err := j.expect(in, *out, *b); err != nil {
		return err
	}
	if j.class == "nat" && in.isSYN() {
		if err := j.answer(in, *b); err != nil {
			return fmt.Errorf("answer to the SYN: %w", err)
		}
	}
	return nil
}

// nothing is the error of a packet that was lost: one of many is another fault than all.
func (j *judge) nothing() error {
	if j.came == 0 {
		return errors.New("nothing came out of the balancer")
	}
	return fmt.Errorf("nothing came out of the balancer, after %s that did", harness.Plural(j.came, "packet"))
}

// answer sends the backend's SYN-ACK through the balancer, as the class nat requires, and expects it at the client with
// the service's address. Without it conntrack has no established connection and drops the packets that follow.
func (j *judge) answer(syn packet, from service.Backend) error {
	if err := j.send(j.sc.reply(from, ip(from.Addr.Addr(), syn.from.Addr(), protoTCP, 64, nil, synAck(from.Addr, syn.from)))); err != nil {
		return err
	}
	out, err := j.next(arrivalTime, false)
	switch {
	case err != nil:
		return err
	case out == nil:
		return j.nothing()
	case out.from != syn.to || out.to != syn.from:
		return fmt.Errorf("it goes from %s to %s, want %s to %s", out.from, out.to, syn.to, syn.from)
	}
	want := routed(ip(syn.to.Addr(), syn.from.Addr(), protoTCP, 64, nil, synAck(syn.to, syn.from)))
	return same("packet", want, out.ip)
}

// checkRest checks the frames that reached a backend although the fixture does not require it.
func (j *judge) checkRest(f fixture) error {
	if f.action == actForward || f.action == actReply {
		return nil
	}
	for {
		out, err := j.next(absenceTime, true)
		if err != nil || out == nil {
			return err
		}
		in, err := parse(f.frames[0])
		switch {
		case f.action == actDrop:
			return fmt.Errorf("a frame reached a backend: %x", out.frame)
		case err != nil:
			return fmt.Errorf("fixture: %w", err)
		case f.action == actIgnore && out.to != in.to:
			return fmt.Errorf("it was balanced, to %s", out.to)
		case f.action == actIgnore, expectRouted(in, *out, service.Backend{}) == nil:
			continue // routed, not balanced
		}
		if _, err := j.delivered(in, *out); err != nil {
			return err
		}
	}
}

// delivered returns the backend of a frame and an error unless the frame is right for it.
func (j *judge) delivered(in, out packet) (*service.Backend, error) {
	to, err := j.sc.backend(in, out, j.class)
	if err == nil {
		err = j.expect(in, out, *to)
	}
	return to, err
}

// next returns the next frame from the balancer whose destination MAC is a real's (toReal), or is not.
func (j *judge) next(wait time.Duration, toReal bool) (*packet, error) {
	deadline := time.Now().Add(wait)
	for {
		frame, err := j.receive(time.Until(deadline))
		if err != nil || frame == nil {
			return nil, err
		}
		p, err := parse(frame)
		isReal := len(p.dst) == 6 && p.dst[3] == byte(netlab.RoleReal)
		if p.ownAffair() || toReal != isReal {
			continue
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
