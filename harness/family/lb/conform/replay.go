// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// Replay sends n packets of a seeded mix through the subject: TCP connections and UDP flows, in both directions if the
// class translates both. It returns the packet that came out for each, nil if none did. In packets to a backend it
// replaces the backend's address and port by the service's, so two subjects of one class must return the same for the
// same seed. It returns an error if a packet goes to a wrong destination.
func Replay(ctx context.Context, s Subject, seed uint64, n int) (seen [][]byte, err error) {
	if err := s.Balancer.Flush(ctx); err != nil {
		return nil, fmt.Errorf("forget connections: %w", err)
	}
	err = s.withJudge(func(j *judge) (err error) {
		seen, err = j.replay(ctx, seed, n)
		return err
	})
	return seen, err
}

func (j *judge) replay(ctx context.Context, seed uint64, n int) (seen [][]byte, err error) {
	r := replay{judge: j, rnd: rand.New(rand.NewPCG(seed, 0))}
	for i := range n {
		if err := ctx.Err(); err != nil {
			return seen, err
		}
		out, err := r.step()
		if err != nil {
			return seen, fmt.Errorf("packet %d: %w", i, err)
		}
		seen = append(seen, out)
	}
	return seen, nil
}

// A replay is the state of a mix of packets.
type replay struct {
	*judge
	rnd   *rand.Rand
	flows []*replayFlow
}

// A replayFlow is a conversation of a client with a service.
type replayFlow struct {
	client  netip.AddrPort
	service service.Service
	backend *service.Backend // nil: the first packet is still to come
	replied bool             // the backend has answered the first packet
	ended   bool
	seq     [2]uint32 // next sequence number of the client and of the backend
}

// replayFlows is the number of concurrent conversations.
const replayFlows = 32

// step sends one packet of one conversation.
func (r *replay) step() ([]byte, error) {
	if len(r.flows) < replayFlows {
		f := &replayFlow{client: r.sc.port(), service: r.sc.tcp, seq: [2]uint32{clientSeq - 1, realSeq - 1}}
		if r.rnd.IntN(2) == 0 {
			f.service = r.sc.udp
		}
		r.flows = append(r.flows, f)
	}
	i := r.rnd.IntN(len(r.flows))
	f := r.flows[i]
	both := r.class == "nat"
	handshake := both && f.service.Proto == harness.TCP && f.backend != nil && !f.replied
	packet, back := r.packet(f, handshake || both && f.backend != nil && r.rnd.IntN(3) == 0)
	if f.ended {
		r.flows = slices.Delete(r.flows, i, i+1)
	}
	if back {
		return r.toClient(f, packet)
	}
	return r.toBackend(f, packet)
}

// packet returns the next packet of a conversation, from the client or (back) from the backend.
func (r *replay) packet(f *replayFlow, back bool) ([]byte, bool) {
	src, dst, me := f.client, f.service.VIP, 0
	if back {
		src, dst, me = f.backend.Addr, f.client, 1
	}
	load := make([]byte, []int{0, 1, r.rnd.IntN(64), r.rnd.IntN(1400)}[r.rnd.IntN(4)])
	for i := range load {
		load[i] = byte(r.rnd.Uint32())
	}
	ttl := byte(2 + r.rnd.IntN(254))
	proto := byte(f.service.Proto)
	segment := udpDatagram(src, dst, load)
	if f.service.Proto == harness.TCP {
		segment = r.tcp(f, src, dst, me, load)
	} else if src.Addr().Is4() && r.rnd.IntN(4) == 0 {
		segment[6], segment[7] = 0, 0 // none
	}
	p := ip(src.Addr(), dst.Addr(), proto, ttl, nil, segment)
	if p[0]>>4 == 6 {
		binary.BigEndian.PutUint32(p, 6<<28|r.rnd.Uint32()>>4&^(3<<20)) // traffic class, flow label
		return p, back
	}
	p[1] = byte(r.rnd.Uint32()) &^ 3 // no ECN: it would change the meaning of a SYN
	binary.BigEndian.PutUint16(p[4:], uint16(r.rnd.Uint32()))
	p[6] = byte(r.rnd.IntN(2)) << 6
	setHeaderSum(p)
	return p, back
}

// tcp returns the next TCP segment: the handshake, then data with various flags and options, last a reset.
func (r *replay) tcp(f *replayFlow, src, dst netip.AddrPort, me int, load []byte) []byte {
	flags := byte(tcpACK)
	switch {
	case f.backend == nil:
		flags, load = tcpSYN, nil
	case me == 1 && !f.replied:
		flags, load = tcpSYN|tcpACK, nil
	case r.rnd.IntN(24) == 0:
		flags, load, f.ended = tcpRST|tcpACK, nil, true
	case r.rnd.IntN(2) == 0:
		flags |= 0x08 // PSH
	}
	options := [][]byte{nil, {1, 1, 1, 1}, {1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}}[r.rnd.IntN(3)]
	s := make([]byte, 20, 20+len(options)+len(load))
	binary.BigEndian.PutUint16(s[0:], src.Port())
	binary.BigEndian.PutUint16(s[2:], dst.Port())
	binary.BigEndian.PutUint32(s[4:], f.seq[me])
	if flags&tcpACK != 0 {
		binary.BigEndian.PutUint32(s[8:], f.seq[1-me])
	}
	s[12], s[13] = byte(20+len(options))<<2, flags
	binary.BigEndian.PutUint16(s[14:], 0xfff0)
	s = append(append(s, options...), load...)
	f.seq[me] += uint32(len(load))
	if flags&tcpSYN != 0 {
		f.seq[me]++
	}
	setTransportSum(src.Addr(), dst.Addr(), protoTCP, s)
	return s
}

// toBackend sends a packet of the client and returns it as the backend receives it, with the service's address restored.
func (r *replay) toBackend(f *replayFlow, packet []byte) ([]byte, error) {
	frame := r.sc.ether(packet)
	if err := r.send(frame); err != nil {
		return nil, err
	}
	out, err := r.next(arrivalTime, true)
	if err != nil || out == nil {
		return nil, err
	}
	in, err := parse(frame)
	if err != nil {
		return nil, err
	}
	to, err := r.sc.backend(in, *out, r.class)
	switch {
	case err != nil:
		return nil, err
	case f.backend != nil && f.backend.Addr != to.Addr:
		return nil, fmt.Errorf("it went to %s, the flow began at %s", to.Addr, f.backend.Addr)
	}
	f.backend = to
	return r.undo(*out, to, f.service.VIP)
}

// undo restores the service's address in a packet that a backend receives.
func (r *replay) undo(out packet, to *service.Backend, vip netip.AddrPort) ([]byte, error) {
	switch r.class {
	case "ipip":
		inner := out.inner()
		if inner == nil || out.to.Addr() != to.Addr.Addr() {
			return nil, fmt.Errorf("no packet in a tunnel to %s", to.Addr.Addr())
		}
		return bytes.Clone(inner.ip), nil
	case "nat":
		if out.to != to.Addr {
			return nil, fmt.Errorf("sent to %s, want %s", out.to, to.Addr)
		}
		if err := out.checksums(); err != nil {
			return nil, err
		}
		none := out.proto == protoUDP && out.segment[6] == 0 && out.segment[7] == 0 // over either IP version
		p := bytes.Clone(out.ip)
		setDestination(p, vip)
		segment := p[len(p)-len(out.segment):]
		binary.BigEndian.PutUint16(segment[2:], vip.Port())
		if !none {
			setTransportSum(out.from.Addr(), vip.Addr(), out.proto, segment)
		}
		return p, nil
	}
	return bytes.Clone(out.ip), nil
}

// toClient sends an answer of the backend and returns it as the client receives it.
func (r *replay) toClient(f *replayFlow, packet []byte) ([]byte, error) {
	f.replied = true
	if err := r.send(r.sc.reply(*f.backend, packet)); err != nil {
		return nil, err
	}
	out, err := r.next(arrivalTime, false)
	if err != nil || out == nil {
		return nil, err
	}
	if out.from != f.service.VIP || out.to != f.client {
		return nil, fmt.Errorf("the answer goes from %s to %s, want %s to %s", out.from, out.to, f.service.VIP, f.client)
	}
	return bytes.Clone(out.ip), out.checksums()
}
