// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/packets"
)

// The CPUs of packet measurements. With rate 0 all runs on packetCPU; at a fixed rate the balancer's receive thread has
// balancerCPU to itself and everything else runs on packetCPU. On a machine with one CPU both are that.
const (
	packetCPU   = 0
	balancerCPU = 1
)

// settle is the time after which packets in flight count as lost.
const settle = 20 * time.Millisecond

// pps measures established flows: the maximum rate on one core, or, with the axis rate, the CPU time of the
// balancer's receive thread for each packet.
func (s *stage) pps(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	stream, err := s.stream(m, c, b)
	if err != nil {
		return harness.Result{}, err
	}
	if m.class == "socket" {
		return harness.Result{}, harness.Skip("the class socket does nothing to packets")
	}
	if limit := m.balancer.MaxFlows(); limit > 0 && stream.Flows > limit {
		return harness.Result{}, harness.Skip("%d flows do not fit: the balancer tracks at most %d here", stream.Flows, limit)
	}
	p, err := openPath(m, stream)
	if err != nil {
		return harness.Result{}, err
	}
	defer p.close()
	if stream.Alone {
		return p.measureAlone(ctx, b, uint64(stream.Flows)) // every flow once, so that the flow table has all
	}
	known := uint64(stream.Flows) // every flow once, so that all are known
	if stream.Rate > 0 {
		if cpuOr(balancerCPU) == packetCPU {
			if err := p.sendEachFlow(ctx, stream); err != nil {
				return harness.Result{}, err
			}
			known = 0
		}
		if err := p.assignThreads(); err != nil {
			return harness.Result{}, err
		}
	}
	if err := p.warm(ctx, known, b.Warm); err != nil {
		return harness.Result{}, err
	}
	return p.measure(ctx, func() (packets.Transmission, error) {
		defer b.Window()()
		return p.generator.For(ctx, packetCPU, b.Measure)
	})
}

// stream returns the packet stream of a cell's axes to the target service.
func (s *stage) stream(m *member, c harness.Cell, b harness.Budget) (packets.Stream, error) {
	st := packets.Stream{
		Family: s.family, Proto: harness.UDP, VIP: m.target().VIP, Flows: 4096, Size: 64, Seed: b.Seed,
		SrcMAC: s.segment.Client.MAC, DstMAC: m.host.MAC,
	}
	for _, a := range c.Axes {
		value, err := strconv.ParseFloat(a.Value, 64)
		if err != nil {
			return st, fmt.Errorf("axis %s: %q is not a number", a.Name, a.Value)
		}
		switch a.Name {
		case "flows":
			st.Flows = int(value)
		case "size":
			st.Size = int(value)
		case "rate":
			st.Rate = value
		case "syn":
			st.SYNShare = value / 100
		}
	}
	if st.SYNShare > 0 {
		st.Proto = harness.TCP
	}
	if st.Proto == harness.TCP && s.family == 6 && st.Size < minTCP6 {
		st.Size = minTCP6
	}
	st.Alone = b.Exact && st.Rate == 0
	st.Marks = st.Alone && b.Counted != nil
	return st, st.Check()
}

// minTCP6 is the smallest frame that holds a TCP segment over IPv6, bytes.
const minTCP6 = 74

// A path is a generator, a balancer's CPU and a sink; close undoes all of them.
type path struct {
	member    *member
	rate      float64 // target, packets per second; 0: maximum
	generator *packets.Generator
	sink      *packets.Sink
	balancer  *netlab.NAPIThread // nil if all runs on one CPU
	open      []io.Closer        // closed in reverse order
}

// openPath puts a counting sink and a generator on the fabric's side of a member's link.
func openPath(m *member, stream packets.Stream) (_ *path, err error) {
	p := &path{member: m, rate: stream.Rate}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.sink, err = packets.OpenSink(m.host.Port, packets.SinkOptions{Flows: 1}); err != nil {
		return nil, fmt.Errorf("open sink: %w", err)
	}
	p.open = append(p.open, p.sink)
	if err = p.sink.Mode(packets.Count); err != nil {
		return nil, fmt.Errorf("open sink: %w", err)
	}
	if p.generator, err = packets.NewGenerator(m.host.Port, stream); err != nil {
		return nil, fmt.Errorf("open generator: %w", err)
	}
	p.open = append(p.open, p.generator)
	return p, nil
}

// assignThreads moves the balancer's receive work to its own CPU, and the sink's to packetCPU.
func (p *path) assignThreads() (err error) {
	if p.balancer, err = p.member.host.Thread(cpuOr(balancerCPU)); err != nil {
		return fmt.Errorf("assign the balancer a NAPI thread: %w", err)
	}
	port, err := p.member.host.Port.Thread(packetCPU)
	if err != nil {
		return errors.Join(fmt.Errorf("assign the sink a NAPI thread: %w", err), p.balancer.Close())
	}
	p.open = slices.Insert(p.open, 1, io.Closer(p.balancer), io.Closer(port)) // closed after the generator, before the sink
	return nil
}

// sendEachFlow sends one packet of every recurring flow at the maximum rate on one CPU: at a guest's fixed rate this
// would take longer than the rest of the trial. On a machine with two CPUs the packets would fill the flow table of
// the wrong CPU.
func (p *path) sendEachFlow(ctx context.Context, s packets.Stream) error {
	s.Rate, s.SYNShare = 0, 0
	g, err := packets.NewGenerator(p.member.host.Port, s)
	if err != nil {
		return fmt.Errorf("open generator: %w", err)
	}
	_, err = g.Run(ctx, packetCPU, uint64(s.Flows))
	if err = errors.Join(err, g.Close()); err != nil {
		return fmt.Errorf("send the first packet of each flow: %w", err)
	}
	return nil
}

// warm sends at least least packets and for at least d.
func (p *path) warm(ctx context.Context, least uint64, d time.Duration) error {
	var sent packets.Transmission
	var err error
	if d > 0 {
		if sent, err = p.generator.For(ctx, packetCPU, d); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	if least > sent.Packets {
		if sent, err = p.generator.Run(ctx, packetCPU, least-sent.Packets); err != nil {
			return fmt.Errorf("warm up: %w", err)
		}
	}
	time.Sleep(settle)
	return nil
}

// awaitArrival waits until all sent packets have arrived, at most settle.
func (p *path) awaitArrival(before, sent uint64) error {
	for end := time.Now().Add(settle); time.Now().Before(end); time.Sleep(time.Millisecond) {
		counts, err := p.sink.Counts()
		if err != nil {
			return fmt.Errorf("read sink: %w", err)
		}
		if counts.Total()-before >= sent {
			return nil
		}
	}
	return nil
}

// measure counts the arrivals of the packets that run sends, and the CPU time of the balancer's thread if there is
// one. A trial with unaccounted packet loss is invalid.
func (p *path) measure(ctx context.Context, run func() (packets.Transmission, error)) (harness.Result, error) {
	before, err := p.readCounters()
	if err != nil {
		return harness.Result{}, err
	}
	sent, err := run()
	if err != nil {
		return harness.Result{}, fmt.Errorf("send: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return harness.Result{}, err
	}
	if err := p.awaitArrival(before.arrived, sent.Packets); err != nil {
		return harness.Result{}, err
	}
	after, err := p.readCounters()
	if err != nil {
		return harness.Result{}, err
	}
	arrived := after.arrived - before.arrived
	account := packets.NewAccount(sent, arrived, before.losses, after.losses)
	r := harness.Result{Iterations: int64(arrived), Measured: sent.Elapsed, Invalid: account.Verdict()}
	if r.Invalid != "" || arrived == 0 {
		return r, nil
	}
	rate := float64(arrived) / sent.Elapsed.Seconds()
	if p.balancer == nil {
		if len(sent.Laps) > 0 {
			if r.Invalid = lapsLost(arrived, sent.Packets); r.Invalid != "" {
				return r, nil
			}
			rate, r.Series = lapRate(sent.Laps)
		}
		r.Metrics = []harness.Metric{{Unit: "pkt/s", Value: rate}}
		return r, nil
	}
	if r.Invalid = offRate(p.rate, rate); r.Invalid != "" {
		return r, nil
	}
	r.Metrics = []harness.Metric{
		{Unit: "pkt/s", Value: rate},
		{Unit: "cpu-ns/pkt", Value: float64(after.cpu-before.cpu) / float64(arrived)},
	}
	return r, nil
}

// maxLapsLost is the largest share of packets that may be lost where laps of what was sent are timed.
const maxLapsLost = 0.01

// lapsLost returns why laps do not time the balancer's work, or "": they hold what was sent, and a lost packet cost next to nothing. On 6.1 a
// generator that is alone on the CPU fills the queue of the link before the kernel empties it.
func lapsLost(arrived, sent uint64) string {
	if float64(arrived) >= (1-maxLapsLost)*float64(sent) {
		return ""
	}
	return fmt.Sprintf("%d of %d packets arrived: this kernel does not empty the queue while the generator is alone on the CPU", arrived, sent)
}

// maxOffRate is the largest deviation of the rate of arrivals from the target rate, as a share.
const maxOffRate = 0.01

// offRate returns why a target rate was not held, or "".
func offRate(want, got float64) string {
	if want == 0 || math.Abs(got-want) <= maxOffRate*want {
		return ""
	}
	return fmt.Sprintf("%.0f packets/s arrived, target %.0f (at most %.0f %% off): choose a lower rate, or a quieter machine",
		got, want, 100*maxOffRate)
}

// pathCounters are the counters of a path at one moment.
type pathCounters struct {
	arrived uint64
	losses  packets.Snapshot
	cpu     time.Duration
}

func (p *path) readCounters() (pathCounters, error) {
	var v pathCounters
	counters, err := p.member.balancer.Counters()
	if err != nil {
		return v, fmt.Errorf("read counters: %w", err)
	}
	counts, err := p.sink.Counts()
	if err != nil {
		return v, fmt.Errorf("read sink: %w", err)
	}
	v.arrived = counts.Total()
	if v.losses, err = packets.TakeSnapshot(p.member.host, counters); err != nil {
		return v, fmt.Errorf("read losses: %w", err)
	}
	if p.balancer != nil {
		if v.cpu, err = p.balancer.CPUTime(); err != nil {
			return v, fmt.Errorf("read CPU time: %w", err)
		}
	}
	return v, nil
}

// close closes everything open, in reverse order.
func (p *path) close() error {
	var errs []error
	for _, c := range slices.Backward(p.open) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// newflow measures the cost of a first packet: every packet is a TCP SYN of another connection to the target service,
// on one core. If the balancer tracks connections, bursts stay below the limit and the table is emptied between them.
func (s *stage) newflow(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	if m.class == "socket" {
		return harness.Result{}, harness.Skip("the class socket does nothing to packets")
	}
	stream, err := s.stream(m, harness.Cell{}, b)
	if err != nil {
		return harness.Result{}, err
	}
	stream.Proto, stream.Fresh, stream.SYNShare = harness.TCP, true, 1
	if s.family == 6 {
		stream.Size = minTCP6
	}
	p, err := openPath(m, stream)
	if err != nil {
		return harness.Result{}, err
	}
	defer p.close()
	table := uint64(newflowTable)
	if limit := m.balancer.MaxFlows(); limit > 0 {
		table = uint64(limit) / 2
	}
	if stream.Alone && exactPackets < table {
		r, err := p.measureAlone(ctx, b, newflowFirst)
		if err == nil && r.Invalid == "" {
			r.Metrics = []harness.Metric{{Unit: "sec/pkt", Value: 1 / r.Metrics[0].Value}}
		}
		return r, err
	}
	if err := p.warm(ctx, newflowFirst, 0); err != nil {
		return harness.Result{}, err
	}
	var total harness.Result
	bursts := harness.Series{Name: "bursts", Unit: "sec", Notes: "time a packet, by the packets of the burst"}
	known := uint64(newflowFirst) // connections in the balancer's table
	for burst := uint64(newflowFirst); total.Measured < b.Measure; burst = nextBurst(burst, total, b) {
		burst = min(burst, table)
		if known+burst > table {
			if err := m.balancer.Flush(ctx); err != nil {
				return total, fmt.Errorf("forget connections: %w", err)
			}
			known = 0
		}
		r, err := p.measure(ctx, func() (packets.Transmission, error) {
			defer b.Window()()
			return p.generator.Run(ctx, packetCPU, burst)
		})
		if err != nil || r.Invalid != "" {
			return r, err
		}
		if r.Iterations == 0 {
			r.Invalid = fmt.Sprintf("none of %d first packets arrived", burst)
			return r, nil
		}
		known += burst
		total.Iterations += r.Iterations
		total.Measured += r.Measured
		bursts.X, bursts.Y = append(bursts.X, float64(burst)), append(bursts.Y, r.Measured.Seconds()/float64(r.Iterations))
	}
	total.Series = []harness.Series{bursts}
	total.Metrics = []harness.Metric{{Unit: "sec/pkt", Value: total.Measured.Seconds() / float64(total.Iterations)}}
	return total, nil
}

// nextBurst returns the number of packets of the burst after last. On target exact the number is newflowGrowth times
// the last, independent of measurements. On other targets every burst costs the set-up of a system call, so the burst
// should slightly exceed the remaining time; its growth is limited, because a small burst predicts a large one
// poorly.
func nextBurst(last uint64, sofar harness.Result, b harness.Budget) uint64 {
	if b.Exact {
		return 4 * last
	}
	left := 1.05 * float64(max(0, b.Measure-sofar.Measured)) / float64(sofar.Measured) * float64(sofar.Iterations)
	return min(max(uint64(left), newflowFirst), newflowGrowth*last)
}

const (
	// newflowTable is the longest burst of a balancer that tracks no connections. For others the limit is half of the
	// table, which is emptied between bursts.
	newflowTable = 4 << 20
	// newflowFirst is the first burst. Later bursts grow, so that a balancer of 1 ms a packet and one of 0.1 µs a
	// packet both end in time.
	newflowFirst = 256
	// newflowGrowth is the largest ratio of a burst to the last.
	newflowGrowth = 256
)
