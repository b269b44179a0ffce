// SPDX-License-Identifier: Apache-2.0

// Package laps times two XDP or tc programs against one another on this machine: in one call of the kernel's test run they take turns of
// 64 packets (bpf/traffic/timing.bpf.c, bpf/traffic/same.bpf.c), so that whatever else the machine does falls on both alike.
//
// Turns cannot take out the effect of where a load's code and maps happen to lie in memory, which moves a program by 1 to 2 %. Hence
// Compare (compare.go) loads programs and maps anew many times, and its interval is over pairs of loads, never over turns.
package laps

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
)

const (
	// FrameSize is the length of the frames, bytes: all headers of either family.
	FrameSize = 8 * abi.TimingWords
	// turnPackets is how many packets a turn has.
	turnPackets = 64
	// callPackets is how many packets one system call has at most: it cannot be ended before.
	callPackets = 1 << 18
	// brokenTurn is how many times as long as the shortest of its program a turn may be.
	brokenTurn = 4
	// Verdicts of XDP programs (linux/bpf.h).
	aborted = 0
)

// Traffic is what the programs get. The last two bytes of the source address, of which 15 bits vary, and the source port tell flows
// apart: frames leave room for that.
type Traffic struct {
	Frame  [FrameSize]byte // Ethernet, IP and TCP or UDP headers, with checksums that hold for flow 0 alone
	Family int             // 4 or 6
	Flows  uint32          // that take turns; 0: every packet is a flow of its own, up to 2^31
	// Packet, if there is one, is what every run gets, in the place of flows: see same.go.
	Packet []byte
	// Like is one of the programs; nil: an XDP program on flows. Type (XDP or SchedCLS), attach type and flags of both must be the same: the kernel takes
	// no others into one map.
	Like *ebpf.ProgramSpec
}

// A side is what one program took.
type side struct {
	Packets uint64
	Time    time.Duration // with the loop's own
	// Broken is how many turns took more than brokenTurn times the shortest, probably for an interrupt or another task on the CPU. Packets and
	// Time leave them out.
	Broken uint64
	least  time.Duration // the shortest turn
}

// each is the time of a packet, ns.
func (s side) each() float64 { return float64(s.Time.Nanoseconds()) / float64(s.Packets) }

// A loop times programs under one traffic. It is not safe for concurrent use.
type loop struct {
	coll                   *ebpf.Collection
	program, stub, placing string // names of the repeated program, the empty one and the map of those under test
	packet                 []byte
	flows                  uint32
	same                   bool // every run gets the same packet
}

// newLoop loads the loop.
func newLoop(t Traffic) (*loop, error) {
	if len(t.Packet) > 0 {
		return newSame(t)
	}
	spec, err := bpf.Open("traffic/timing")
	if err != nil {
		return nil, err
	}
	var words [abi.TimingWords]uint64
	for i := range words {
		words[i] = binary.NativeEndian.Uint64(t.Frame[8*i:])
	}
	knobs := map[string]any{"frame": words, "flow_count": t.Flows, "turn_packets": uint32(turnPackets)}
	if t.Family == 6 {
		knobs["addr_at"], knobs["port_at"] = uint32(34), uint32(54)
	}
	for name, value := range knobs {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("set %s of the timing loop: %w", name, err)
		}
	}
	l := &loop{program: "timing", stub: "stub", placing: "under_test", packet: t.Frame[:], flows: t.Flows}
	if t.Like != nil && t.Like.Type == ebpf.SchedCLS {
		l.program, l.stub, l.placing = "timing_tc", "stub_tc", "tc_under_test"
	}
	if err := l.load(spec, t.Like); err != nil {
		return nil, err
	}
	return l, nil
}

// load loads what the loop needs of a specification, so that programs like the one given can be placed in it; nil: XDP.
func (l *loop) load(spec *ebpf.CollectionSpec, like *ebpf.ProgramSpec) (err error) {
	for name, p := range spec.Programs {
		if name != l.program && name != l.stub {
			delete(spec.Programs, name)
		} else if like != nil {
			p.AttachType, p.Flags = like.AttachType, like.Flags
		}
	}
	if l.coll, err = ebpf.NewCollection(spec); err != nil {
		return fmt.Errorf("load timing loop: %w", err)
	}
	return nil
}

// Close unloads the loop.
func (l *loop) Close() error {
	l.coll.Close()
	return nil
}

// empty is a program that does nothing, for the loop's own time.
func (l *loop) empty() *ebpf.Program { return l.coll.Programs[l.stub] }

// place puts the programs under test.
func (l *loop) place(first, second *ebpf.Program) error {
	for i, p := range []*ebpf.Program{first, second} {
		if err := l.coll.Maps[l.placing].Put(uint32(i), p); err != nil {
			return fmt.Errorf("place program %d in the timing loop: %w (programs that take turns must have the same section, such as xdp or xdp.frags)", i+1, err)
		}
	}
	return nil
}

// call passes packets through the programs and returns what each took. Turns longer than limit do not count; 0: all do.
func (l *loop) call(packets uint32, limit time.Duration) (out [2]side, err error) {
	turns := l.coll.Variables["turns"]
	s := abi.TimingState{Limit: uint64(limit)}
	if err := turns.Set(s); err != nil {
		return out, fmt.Errorf("reset timing loop: %w", err)
	}
	verdict, _, err := l.coll.Programs[l.program].Benchmark(l.packet, int(packets), nil)
	if err != nil {
		return out, fmt.Errorf("run timing loop: %w", err)
	}
	if err := l.broken(); err != nil {
		return out, err
	}
	if l.program == "timing" && verdict == aborted {
		return out, errors.New("run timing loop: the last packet was aborted")
	}
	if err := turns.Get(&s); err != nil {
		return out, fmt.Errorf("read timing loop: %w", err)
	}
	for i := range out {
		out[i] = side{s.Packets[i], time.Duration(s.NS[i]), s.Broken[i], time.Duration(s.Least[i])}
	}
	return out, nil
}

// run lets two programs take turns for about d, after every flow has come by in both of them.
func (l *loop) run(ctx context.Context, first, second *ebpf.Program, d time.Duration) (out [2]side, err error) {
	if err := l.place(first, second); err != nil {
		return out, err
	}
	// Turns pick flows by their number, so that each program has half of them in one round, and the others in the next or one after.
	var limit time.Duration
	for warm := max(1<<17, 4*uint64(l.flows)); warm > 0; {
		n := min(warm, callPackets)
		sides, err := l.call(uint32(n), 0)
		if err != nil {
			return out, err
		}
		limit = brokenTurn * max(sides[0].least, sides[1].least)
		if warm -= n; ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	for began := time.Now(); out[0].Time+out[1].Time < d; {
		sides, err := l.call(callPackets, limit)
		if err != nil {
			return out, err
		}
		for i, s := range sides {
			out[i].Packets += s.Packets
			out[i].Time += s.Time
			out[i].Broken += s.Broken
		}
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if time.Since(began) > 10*d+time.Minute {
			return out, fmt.Errorf("run timing loop: %d turns were interrupted and %d packets were timed within %v: is this machine busy?",
				out[0].Broken+out[1].Broken, out[0].Packets+out[1].Packets, time.Since(began).Round(time.Second))
		}
	}
	return out, nil
}

// verdict is what a program gives the last of a turn of packets.
func (l *loop) verdict(p *ebpf.Program) (uint32, error) {
	if err := l.place(p, p); err != nil {
		return 0, err
	}
	v, _, err := l.coll.Programs[l.program].Benchmark(l.packet, turnPackets, nil)
	switch {
	case err != nil:
		return v, err
	case l.program == "timing" && v == aborted:
		return v, errors.New("the program aborts packets")
	}
	return v, l.broken()
}

// verdictName is what linux/bpf.h calls a verdict of XDP programs, and the number of others.
func (l *loop) verdictName(v uint32) string {
	if l.program != "timing" {
		return fmt.Sprint(int32(v))
	}
	names := []string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprint(v)
}
