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
	"github.com/kxlab/kxlab/harness/netlab"
)

// errNoReceiver is wrapped by the error of a run whose packets all vanished between the generator and the link: the
// other end has no XDP program, or it is down.
var errNoReceiver = errors.New("nobody receives at the other end")

// LapPackets is how many packets a lap has.
const LapPackets = lapPacketsAlone

// Sent is what a run handed to the link. It says nothing about what arrived.
type Sent struct {
	Packets uint64
	SYNs    uint64 // of them
	// Taken is how many of them the link accepted. The others found its ring full.
	Taken   uint64
	Bytes   uint64        // of frames, as Stream.Size counts them
	Elapsed time.Duration // from the first packet to the last, as the program's own clock saw it
	// Laps are the times of LapPackets each, of streams that are sent alone: the last 255, in their order.
	Laps []time.Duration
	// Missed is time in which the generator did not run, or was too slow for its rate, and that it did not make up for.
	Missed time.Duration
}

// rate is in packets per second; 0 if nothing is known of the time.
func (s Sent) rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Packets) / s.Elapsed.Seconds()
}

// add joins two runs that were under way at the same time.
func (s Sent) add(o Sent) Sent {
	return Sent{
		Packets: s.Packets + o.Packets, SYNs: s.SYNs + o.SYNs, Taken: s.Taken + o.Taken, Bytes: s.Bytes + o.Bytes,
		Elapsed: max(s.Elapsed, o.Elapsed), Missed: max(s.Missed, o.Missed),
	}
}

// A Generator is a stream in the kernel, aimed at one port. Runs continue the order of flows where the last one ended. It
// is not safe for concurrent use; several generators may run at the same time.
type Generator struct {
	stream Stream
	frame  []byte
	port   *netlab.Port
	coll   *ebpf.Collection
	state  *ebpf.Memory // a abi.TrafficState
}

// NewGenerator loads the program for a stream. The port is the fabric's side of a host's link: packets arrive at that
// host. The stream is checked.
func NewGenerator(port *netlab.Port, s Stream) (*Generator, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	spec, err := bpf.Open("traffic/generate")
	if err != nil {
		return nil, err
	}
	w := s.wire()
	if err := spec.Variables["stream"].Set(w); err != nil {
		return nil, fmt.Errorf("set stream of generator: %w", err)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load generator: %w", err)
	}
	g := &Generator{stream: s, frame: s.template(), port: port, coll: coll}
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
		return fmt.Errorf("aim generator at port %s: %w", g.port.Name, err)
	}
	p := g.stream.plan()
	return g.write(abi.TrafficState{Random: g.stream.Seed*2 + 1 + uint64(g.stream.part), Next: p.next, Fresh: p.fresh})
}

// Run sends the given number of packets from one CPU. If ctx ends before, it returns what was sent until then with ctx's
// error.
func (g *Generator) Run(ctx context.Context, cpu int, packets uint64) (Sent, error) {
	return g.run(ctx, cpu, packets, 0)
}

// For sends from one CPU for as long as d, counted from the first packet. If ctx ends before, it returns what was sent
// until then with ctx's error.
func (g *Generator) For(ctx context.Context, cpu int, d time.Duration) (Sent, error) {
	if d <= 0 {
		return Sent{}, fmt.Errorf("generate for %v: no time", d)
	}
	if g.stream.Alone {
		return Sent{}, fmt.Errorf("generate for %v alone on the CPU: nobody could end it", d)
	}
	return g.run(ctx, cpu, math.MaxUint64, d)
}

// progress is how many packets the present or last run has sent so far. It may be called while a run is under way.
func (g *Generator) progress() (uint64, error) {
	s, err := g.read()
	return s.Sent, err
}

// Close unloads the program.
func (g *Generator) Close() error {
	g.coll.Close()
	return nil
}

func (g *Generator) run(ctx context.Context, cpu int, limit uint64, d time.Duration) (Sent, error) {
	if err := ctx.Err(); err != nil {
		return Sent{}, err
	}
	old, err := g.read()
	if err != nil {
		return Sent{}, err
	}
	err = g.write(abi.TrafficState{Limit: limit, Span: uint64(d), Random: old.Random, Next: old.Next, Fresh: old.Fresh})
	if err != nil {
		return Sent{}, err
	}
	before, err := portStats(g.port)
	if err != nil {
		return Sent{}, err
	}
	start := time.Now()
	err = g.execute(ctx, cpu)
	elapsed := time.Since(start)
	s, stateErr := g.read()
	after, statsErr := portStats(g.port)
	if err = errors.Join(err, stateErr, statsErr); err != nil {
		return Sent{}, err
	}
	if s.Stamped > 0 && s.Stamp > s.Begin {
		elapsed = time.Duration(float64(s.Stamp-s.Begin) * float64(s.Sent) / float64(s.Stamped))
	}
	sent := Sent{
		Packets: s.Sent, SYNs: s.SYNs, Bytes: s.Sent * uint64(g.stream.Size), Elapsed: elapsed, Missed: time.Duration(s.Missed),
		Taken: after.taken() - before.taken(),
	}
	if g.stream.Alone {
		sent.Laps = laps(&s)
	}
	switch {
	case ctx.Err() != nil:
		return sent, ctx.Err()
	case sent.Packets > 0 && sent.Taken == 0:
		return sent, fmt.Errorf("send through port %s: none of %d packets taken: %w", g.port.Name, sent.Packets, errNoReceiver)
	}
	return sent, nil
}

func (g *Generator) read() (s abi.TrafficState, err error) {
	b := make([]byte, binary.Size(s))
	if _, err = g.state.ReadAt(b, 0); err == nil {
		_, err = binary.Decode(b, binary.NativeEndian, &s)
	}
	if err != nil {
		err = fmt.Errorf("read state of generator: %w", err)
	}
	return s, err
}

func (g *Generator) write(s abi.TrafficState) error {
	b, err := binary.Append(nil, binary.NativeEndian, s)
	if err == nil {
		_, err = g.state.WriteAt(b, 0)
	}
	if err != nil {
		return fmt.Errorf("write state of generator: %w", err)
	}
	return nil
}

// halt makes the program send nothing more. Limit is the first word of the state.
func (g *Generator) halt() error {
	if _, err := g.state.WriteAt(make([]byte, 8), 0); err != nil {
		return fmt.Errorf("stop generator: %w", err)
	}
	return nil
}
