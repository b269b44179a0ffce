// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// errNoReceiver is wrapped by the error of a run of which the link accepted no packet.
var errNoReceiver = errors.New("the other end of the link has no XDP program or is down")

// LapPackets is the number of packets of a lap.
const LapPackets = lapPacketsAlone

// A Transmission holds what a run passed to the link. It does not tell what arrived.
type Transmission struct {
	Packets  uint64
	SYNs     uint64        // of them
	Accepted uint64        // of them, by the link; its ring was full for the others
	Bytes    uint64        // of frames, as Stream.Size counts them
	Elapsed  time.Duration // from the first packet to the last, by the program's own clock
	// Laps are the times of LapPackets each, of streams that are sent alone: the last 255, in their order.
	Laps []time.Duration
	// Missed is time in which the generator did not run, or was too slow for its rate, and that it did not make up for.
	Missed time.Duration
}

// A Generator is a stream in the kernel that is redirected to one port. A run continues the order of flows where the previous
// one ended. A Generator is not safe for concurrent use; several generators may run at the same time.
type Generator struct {
	stream Stream
	frame  []byte
	port   *netlab.Port
	coll   *ebpf.Collection
	state  *ebpf.Memory // an abi.TrafficState
}

// NewGenerator checks a stream and loads the program for it. The port is the fabric's side of a host's link: packets arrive
// at that host.
func NewGenerator(port *netlab.Port, s Stream) (*Generator, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	object := "traffic/generate"
	if s.Numbered {
		object = "traffic/number"
	}
	spec, err := bpf.Open(object)
	if err != nil {
		return nil, err
	}
	if err := spec.Variables["stream"].Set(s.wire()); err != nil {
		return nil, fmt.Errorf("set stream of generator: %w", err)
	}
	if s.Marks {
		if err := spec.Variables["marks"].Set(uint32(1)); err != nil {
			return nil, fmt.Errorf("set marks of generator: %w", err)
		}
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	g := &Generator{stream: s, frame: s.Template(), port: port, coll: coll}
	if err := g.prepare(); err != nil {
		coll.Close()
		return nil, err
	}
	return g, nil
}

func (g *Generator) prepare() (err error) {
	if g.state, err = g.coll.Maps[".bss"].Memory(); err != nil {
		return fmt.Errorf("map state of generator: %w", err)
	}
	// A device map takes the index as one of the caller's namespace.
	err = g.port.Do(func() error { return g.coll.Maps["port"].Put(uint32(0), uint32(g.port.Ifindex)) })
	if err != nil {
		return fmt.Errorf("set port %s of generator: %w", g.port.Name, err)
	}
	p := g.stream.plan()
	return g.write(abi.TrafficState{Random: g.stream.Seed*2 + 1, Next: p.next, Fresh: p.fresh0})
}

// Run sends a number of packets from one CPU. If ctx ends first, it returns what was sent until then with ctx's error.
func (g *Generator) Run(ctx context.Context, cpu int, packets uint64) (Transmission, error) {
	return g.run(ctx, cpu, packets, 0)
}

// For sends from one CPU for the time d, counted from the first packet. If ctx ends first, it returns what was sent until
// then with ctx's error.
func (g *Generator) For(ctx context.Context, cpu int, d time.Duration) (Transmission, error) {
	if d <= 0 {
		return Transmission{}, fmt.Errorf("generate for %v: want more than 0", d)
	}
	if g.stream.Alone {
		return Transmission{}, fmt.Errorf("generate for %v alone on the CPU: no thread could end the run: use Run with a packet count", d)
	}
	return g.run(ctx, cpu, math.MaxUint64, d)
}

// Close unloads the program.
func (g *Generator) Close() error {
	g.coll.Close()
	return nil
}

func (g *Generator) run(ctx context.Context, cpu int, limit uint64, d time.Duration) (Transmission, error) {
	if err := ctx.Err(); err != nil {
		return Transmission{}, err
	}
	old, err := g.read()
	if err != nil {
		return Transmission{}, err
	}
	err = g.write(abi.TrafficState{Limit: limit, Span: uint64(d), Random: old.Random, Next: old.Next, Fresh: old.Fresh})
	if err != nil {
		return Transmission{}, err
	}
	before, err := portStats(g.port)
	if err != nil {
		return Transmission{}, err
	}
	start := time.Now()
	err = g.execute(ctx, cpu)
	elapsed := time.Since(start)
	s, stateErr := g.read()
	after, statsErr := portStats(g.port)
	if err = errors.Join(err, stateErr, statsErr); err != nil {
		return Transmission{}, err
	}
	if s.Stamped > 0 && s.Stamp > s.Begin {
		elapsed = time.Duration(float64(s.Stamp-s.Begin) * float64(s.Sent) / float64(s.Stamped))
	}
	sent := Transmission{
		Packets: s.Sent, SYNs: s.SYNs, Bytes: s.Sent * uint64(g.stream.Size), Elapsed: elapsed, Missed: time.Duration(s.Missed),
		Accepted: after.sum("_xdp_xmit") - before.sum("_xdp_xmit"),
	}
	if g.stream.Alone {
		sent.Laps = laps(&s)
	}
	switch {
	case ctx.Err() != nil:
		return sent, ctx.Err()
	case sent.Packets > 0 && sent.Accepted == 0:
		return sent, fmt.Errorf("send through port %s: none of %d packets accepted: %w", g.port.Name, sent.Packets, errNoReceiver)
	}
	return sent, nil
}

func (g *Generator) read() (s abi.TrafficState, err error) {
	b := make([]byte, binary.Size(s))
	if _, err = g.state.ReadAt(b, 0); err == nil {
		_, err = binary.Decode(b, binary.NativeEndian, &s)
	}
	return s, harness.Wrap(err, "read state of generator")
}

func (g *Generator) write(s abi.TrafficState) error {
	b, err := binary.Append(nil, binary.NativeEndian, s)
	if err == nil {
		_, err = g.state.WriteAt(b, 0)
	}
	return harness.Wrap(err, "write state of generator")
}

// halt makes the program send nothing more: it clears Limit, the first word of the state.
func (g *Generator) halt() error {
	_, err := g.state.WriteAt(make([]byte, 8), 0)
	return harness.Wrap(err, "stop generator")
}
