// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/montanaflynn/stats"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/packets"
)

const (
	// shareRounds is how often each load is measured; the loads take turns.
	shareRounds = 9
	// sharePackets is what one load is measured by in a round, some 0.1 s. The sending thread has a real-time priority, or whatever
	// else the machine does would count.
	sharePackets = 1 << 19
)

// A shareLoad is a packet stream through one member of a stage, on one CPU: generator, balancer and sink.
type shareLoad struct {
	name   string
	stage  *stage
	member string
	// alter makes the stream of the load out of that of 4,096 established UDP flows to the last service.
	alter func(*packets.Stream)
	base  string // name of the load that this one is a share of
	as    string // unit of that share
}

func flows(n int) func(*packets.Stream) { return func(s *packets.Stream) { s.Flows = n } }

// fresh makes every packet the first of a UDP flow: looked up, not found, inserted.
func fresh(s *packets.Stream) { s.Fresh = true }

// syns makes every packet a SYN.
func syns(s *packets.Stream) { s.Proto, s.Fresh, s.SYNShare = harness.TCP, true, 1 }

// everywhere spreads the flows over all services. The stream is TCP, which all services have.
func everywhere(s *stage) func(*packets.Stream) {
	return func(st *packets.Stream) {
		st.Proto, st.VIP, st.Services = harness.TCP, serviceAddr(s.family, 0), s.count
	}
}

// BenchmarkShare gives what xdp-ipip and xdp-jet reach of bare XDP_TX from end to end, generator, balancer and sink on
// one core, for tables and numbers of flows as in the comparison with Katran (experiments/lb.md). It measures all loads
// once, in rounds, whatever -benchtime says.
func BenchmarkShare(b *testing.B) {
	s := shareStage(b, 1, "xdp-tx", "xdp-redirect", "xdp-dsr", "xdp-ipip", "xdp-jet")
	loads := []shareLoad{{name: "xdp-tx", member: "xdp-tx"}, {name: "xdp-tx+aa", member: "xdp-tx"}}
	add := func(name, member string, alter func(*packets.Stream)) {
		loads = append(loads, shareLoad{name: name, member: member, alter: alter, base: "xdp-tx", as: "of-xdp-tx"})
	}
	loads[1].base, loads[1].as = "xdp-tx", "of-xdp-tx"
	add("xdp-redirect", "xdp-redirect", nil)
	for _, member := range []string{"xdp-ipip", "xdp-jet", "xdp-dsr"} {
		add(member+"/entries=1M/flows=1", member, flows(1))
		add(member+"/entries=1M/flows=4096", member, flows(4096))
		add(member+"/entries=1M/flows=512000", member, flows(512000))
		add(member+"/entries=1M/flows=new", member, fresh)
		add(member+"/entries=1M/flows=syn", member, syns)
	}
	add("xdp-jet/entries=1M/flows=64000", "xdp-jet", flows(64000))
	add("xdp-jet/entries=1M/flows=1M", "xdp-jet", flows(1<<20))
	add("xdp-ipip/entries=64k/flows=4096", "xdp-ipip/64k", flows(4096))
	add("xdp-ipip/entries=64k/flows=new", "xdp-ipip/64k", fresh)
	for i := range loads {
		loads[i].stage = s
	}
	runShares(b, loads)
}

// BenchmarkShareCounted gives the same for the rows that Katran was measured by, with packets and bytes of every service and real
// counted, and fewer loads, so that the rounds follow one another quickly.
func BenchmarkShareCounted(b *testing.B) {
	s := shareStage(b, 1, "xdp-tx", "xdp-ipip/counted", "xdp-jet/counted")
	loads := []shareLoad{{name: "xdp-tx", member: "xdp-tx"}, {name: "xdp-tx+aa", member: "xdp-tx", base: "xdp-tx", as: "of-xdp-tx"}}
	for _, member := range []string{"xdp-ipip/counted", "xdp-jet/counted"} {
		add := func(of string, alter func(*packets.Stream)) {
			loads = append(loads, shareLoad{name: member + "/flows=" + of, member: member, alter: alter, base: "xdp-tx", as: "of-xdp-tx"})
		}
		add("4096", flows(4096))
		add("512000", flows(512000))
		add("new", fresh)
	}
	for i := range loads {
		loads[i].stage = s
	}
	runShares(b, loads)
}

// BenchmarkServices gives what the BPF variants reach with 30,000 services of what they reach with one, the number of
// flows held constant: all to the last service, and spread over all services.
func BenchmarkServices(b *testing.B) {
	benchServices(b, "xdp-tx", "xdp-redirect", "xdp-dsr", "xdp-ipip", "xdp-ipip-shared", "xdp-jet", "xdp-nat", "tc-ipip", "tc-nat", "forward")
}

// BenchmarkServicesKernel is BenchmarkServices for the kernel's own balancers. Their set-up takes minutes.
func BenchmarkServicesKernel(b *testing.B) {
	benchServices(b, "xdp-tx", "iptables", "iptables-nft", "nftables")
}

func benchServices(b *testing.B, members ...string) {
	const many = 30000
	one, all := shareStage(b, 1, members...), shareStage(b, many, members...)
	var loads []shareLoad
	for _, m := range members {
		last := m + "/services=30000/to=last"
		loads = append(loads,
			shareLoad{name: m + "/services=1", stage: one, member: m},
			shareLoad{name: last, stage: all, member: m, base: m + "/services=1", as: "of-1-service"},
			shareLoad{name: m + "/services=30000/to=all", stage: all, member: m, base: m + "/services=1", as: "of-1-service",
				alter: everywhere(all)})
	}
	runShares(b, loads)
}

// shareStage sets up members of the shipped definition with n services. A name that ends in /64k stands for the member
// with a flow table of 64 k entries, one in /counted for the member that counts packets and bytes of services and reals.
func shareStage(b *testing.B, n int, names ...string) *stage {
	b.Helper()
	if os.Geteuid() != 0 {
		b.Skip("needs root for namespaces and BPF")
	}
	e, err := experiments.Open("lb", experiments.Vocabulary{Families: map[string]harness.Family{"lb": Family{}}})
	if err != nil {
		b.Fatal(err)
	}
	var members []harness.Member
	add := func(name string, v harness.Variant) {
		members = append(members, harness.Member{Name: name, Variant: v})
	}
	for _, v := range e.Variants {
		if slices.Contains(names, v.Name+"/counted") {
			c := v
			c.Knobs = append(slices.Clone(v.Knobs), harness.Knob{Name: "counters", Value: 1})
			add(v.Name+"/counted", c)
		}
		if !slices.Contains(names, v.Name) {
			continue
		}
		add(v.Name, v)
		if v.Name == "xdp-ipip" {
			v.Knobs = append(slices.Clone(v.Knobs), harness.Knob{Name: "flow_entries", Value: 1 << 16})
			add("xdp-ipip/64k", v)
		}
	}
	st, err := Family{bpfobj.New(bpfobj.Options{})}.Prepare(b.Context(), harness.Group{Axes: []harness.AxisValue{{Name: "services", Value: strconv.Itoa(n)}},
		Members: members, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	for name, why := range st.Absent() {
		b.Fatalf("%s is not in force: %s", name, why)
	}
	return st.(*stage)
}

// runShares measures the loads in turn, round after round, and reports the medians, each as a benchmark of its own.
// Shares and differences are taken within a round.
func runShares(b *testing.B, loads []shareLoad) {
	rates := map[string][]float64{}
	for range shareRounds {
		for _, l := range loads {
			rates[l.name] = append(rates[l.name], l.rate(b))
		}
	}
	for _, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(rates[l.name])/1e6, "Mpkt/s")
			if l.base == "" {
				return
			}
			var share, over []float64
			for i, rate := range rates[l.name] {
				share = append(share, rate/rates[l.base][i])
				over = append(over, 1e9/rate-1e9/rates[l.base][i])
			}
			b.ReportMetric(median(share), l.as)
			b.ReportMetric(slices.Min(share), "least")
			b.ReportMetric(slices.Max(share), "most")
			b.ReportMetric(median(over), "ns-more")
		})
	}
}

func median(all []float64) float64 {
	m, _ := stats.Median(all) // fails on none only
	return m
}

// rate is in packets per second at the sink. A packet that does not arrive is an error.
func (l shareLoad) rate(b *testing.B) float64 {
	b.Helper()
	s, ctx := l.stage, b.Context()
	m := s.members[l.member]
	stream, err := s.stream(m, harness.Cell{}, harness.Budget{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	stream.Alone = true
	if l.alter != nil {
		l.alter(&stream)
	}
	if err := s.segment.Select(m.host, m.returnsVia()); err != nil {
		b.Fatal(err)
	}
	if err := m.balancer.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	p, err := openPath(m, stream)
	if err != nil {
		b.Fatal(err)
	}
	defer p.close()
	// Recurring flows are all known when it begins. With new flows the table is full.
	warm := uint64(2 * stream.Flows)
	if stream.Fresh {
		warm = 2 * min(1<<20, max(1, uint64(m.balancer.MaxFlows())))
	}
	if err := p.warm(ctx, warm, 0); err != nil {
		b.Fatal(err)
	}
	r, err := p.measure(ctx, func() (packets.Transmission, error) { return p.generator.Run(ctx, packetCPU, sharePackets) })
	if err != nil {
		b.Fatalf("%s: %v", l.name, err)
	}
	if r.Invalid != "" {
		b.Errorf("%s: %s", l.name, r.Invalid)
	}
	if r.Iterations == 0 {
		b.Fatalf("%s: nothing arrived", l.name)
	}
	return float64(r.Iterations) / r.Measured.Seconds()
}
