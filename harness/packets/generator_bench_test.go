// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/montanaflynn/stats"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A yardstick is a generator with another program: one flow, no clock, no count, no checksums, ports that count up.
func yardstick(t testing.TB, b *netlab.Host, fill asm.Instructions) *Generator {
	t.Helper()
	g := newGenerator(t, b, udp4(1))
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: slices.Concat(asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 42),
		asm.Mov.Imm(asm.R0, 1), // XDP_DROP
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, 34, asm.Half),
		asm.Add.Imm(asm.R5, 1),
	}, fill, asm.Instructions{
		asm.StoreMem(asm.R2, 34, asm.R5, asm.Half),
		asm.LoadMapPtr(asm.R1, g.coll.Maps["port"].FD()),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRedirectMap.Call(),
		asm.Return().WithSymbol("out"),
	})})
	if err != nil {
		t.Fatal(err)
	}
	g.coll.Programs["generate"].Close()
	g.coll.Programs["generate"] = p
	return g
}

// portOnly is the least that still varies something: the port.
func portOnly(t testing.TB, b *netlab.Host) *Generator { return yardstick(t, b, nil) }

// allFields is the least that writes every header field: constants, and the port.
func allFields(t testing.TB, b *netlab.Host) *Generator {
	var fill asm.Instructions
	f := udp4(1).Template()
	for at := 0; at < 40; at += 8 {
		fill = append(fill, asm.LoadImm(asm.R4, int64(binary.NativeEndian.Uint64(f[at:])), asm.DWord),
			asm.StoreMem(asm.R2, int16(at), asm.R4, asm.DWord))
	}
	return yardstick(t, b, append(fill, asm.StoreImm(asm.R2, 40, 0, asm.Half)))
}

// call is how many packets one timed call sends.
const call = 4 << 20

// timed returns the packets that one long call sends for each second that CPU 0 works on them, from the generator to the
// sink: the CPU time of the thread, softirqs included, and of ksoftirqd. On a quiet machine that is the wall-clock rate of
// a long call; on a busy one it is what the rate would be. A packet that
// does not arrive at the sink, if there is one, is an error.
func timed(b *testing.B, g *Generator, s *Sink) float64 {
	b.Helper()
	var before uint64
	if s != nil {
		before = counts(b, s).Total()
	}
	done := make(chan error, 1)
	var busy time.Duration
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its CPU and signals
		done <- g.port.Do(func() error {
			p := g.stream.plan()
			if err := pin(0); err != nil {
				return err
			}
			if err := g.write(abi.TrafficState{Limit: math.MaxUint64, Random: 1, Next: p.next, Fresh: p.fresh0}); err != nil {
				return err
			}
			start := threadTime() + softirqTime(b)
			err := g.testRun(call)
			busy = threadTime() + softirqTime(b) - start
			return err
		})
	}()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if s == nil {
		return call / busy.Seconds()
	}
	if n := arrived(b, s).Total() - before; n != call {
		b.Errorf("%d packets arrived of %d", n, call)
	}
	return call / busy.Seconds()
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail
	return time.Duration(ts.Nano())
}

// softirqTime is the CPU time of the kernel thread that takes over softirqs of CPU 0 when they are many.
func softirqTime(t testing.TB) time.Duration {
	comms, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, c := range comms {
		if name, _ := os.ReadFile(c); string(name) != "ksoftirqd/0\n" {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(c), "schedstat"))
		if err != nil {
			t.Error(err)
			return 0
		}
		ns, _, _ := strings.Cut(string(raw), " ")
		d, _ := time.ParseDuration(ns + "ns")
		return d
	}
	t.Error("no ksoftirqd/0")
	return 0
}

// rounds is how often each load is measured; the loads take turns, and medians are reported.
const rounds = 7

// BenchmarkGenerator sends flat out, in long calls, to the other end of the link, where the lab's sink counts or a bare
// XDP_DROP ends all, generator and receiver on one core. Beside it run the two yardsticks, in the same rounds.
func BenchmarkGenerator(b *testing.B) {
	host := newBalancer(b)
	sink := newSink(b, host, Pass, SinkOptions{})
	fresh := udp4(0)
	fresh.Fresh = true
	syn := udp4(4096).through(4, harness.TCP)
	syn.SYNShare = 0.5
	services := udp4(1 << 20)
	services.Services = 10000
	big := udp4(4096)
	big.Size = 1514
	loads := []struct {
		name string
		g    *Generator
	}{
		{"port-only", portOnly(b, host)}, {"all-fields", allFields(b, host)},
		{"flows=1", newGenerator(b, host, udp4(1))}, {"flows=4096", newGenerator(b, host, udp4(4096))},
		{"flows=1M", newGenerator(b, host, udp4(1<<20))}, {"flows=new", newGenerator(b, host, fresh)},
		{"family=6/flows=1M", newGenerator(b, host, udp4(1<<20).through(6, harness.UDP))},
		{"proto=tcp/flows=1M", newGenerator(b, host, udp4(1<<20).through(4, harness.TCP))},
		{"proto=tcp/syn=0.5", newGenerator(b, host, syn)}, {"services=10000/flows=1M", newGenerator(b, host, services)},
		{"size=1514", newGenerator(b, host, big)},
	}
	drop := dropAll(b)
	counted, dropped := map[string][]float64{}, map[string][]float64{}
	for range rounds {
		for _, l := range loads {
			detach := attachFor(b, host, sink.coll.Programs["count"])
			counted[l.name] = append(counted[l.name], timed(b, l.g, sink))
			detach()
			detach = attachFor(b, host, drop)
			dropped[l.name] = append(dropped[l.name], timed(b, l.g, nil))
			detach()
		}
	}
	for _, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(counted[l.name])/1e6, "Mpkt/s-counted")
			b.ReportMetric(median(dropped[l.name])/1e6, "Mpkt/s-dropped")
			b.ReportMetric(median(ratios(dropped[l.name], dropped["port-only"])), "of-port-only")
			b.ReportMetric(median(ratios(dropped[l.name], dropped["all-fields"])), "of-all-fields")
			b.ReportMetric(median(ratios(dropped[l.name], dropped["flows=1"])), "of-1-flow")
		})
	}
}

func median(all []float64) float64 {
	m, _ := stats.Median(all) // fails on none only
	return m
}

// ratios divides round by round.
func ratios(a, b []float64) (r []float64) {
	for i := range a {
		r = append(r, a[i]/b[i])
	}
	return r
}

// dropAll is a bare XDP_DROP.
func dropAll(t testing.TB) *ebpf.Program {
	t.Helper()
	drop, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 1), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = drop.Close() })
	return drop
}

// BenchmarkSink compares the sink's programs with a bare XDP_DROP under the same stream.
func BenchmarkSink(b *testing.B) {
	host := newBalancer(b)
	sink := newSink(b, host, Pass, SinkOptions{})
	g := newGenerator(b, host, udp4(4096))
	names := []string{"drop", "count", "track"}
	programs := map[string]*ebpf.Program{"drop": dropAll(b), "count": sink.coll.Programs["count"], "track": sink.coll.Programs["track"]}
	ns := map[string][]float64{}
	for range rounds {
		for _, name := range names {
			detach := attachFor(b, host, programs[name])
			to := sink
			if name == "drop" {
				to = nil
			}
			ns[name] = append(ns[name], 1e9/timed(b, g, to))
			detach()
		}
	}
	for b.Loop() {
	}
	for name, all := range ns {
		b.ReportMetric(median(all), name+"-ns/pkt")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPace gives the largest deviation from the wanted rate over several runs of a second, in percent, as counted at
// the sink: of the whole run, and of the time in which the generator had its CPU, which is what a busy machine can tell.
func BenchmarkPace(b *testing.B) {
	host := newBalancer(b)
	sink := newSink(b, host, Pass, SinkOptions{})
	attach(b, host, sink.coll.Programs["count"])
	for _, rate := range []float64{10e3, 100e3, 1e6, 3e6, 5e6} {
		b.Run(fmt.Sprintf("rate=%g", rate), func(b *testing.B) {
			s := udp4(4096)
			s.Rate = rate
			g := newGenerator(b, host, s)
			var worst, net, missed float64
			for b.Loop() {
				for range 3 {
					before := counts(b, sink).Total()
					sent, err := g.For(b.Context(), 0, time.Second)
					if err != nil {
						b.Fatal(err)
					}
					got := float64(arrived(b, sink).Total() - before)
					worst = max(worst, math.Abs(got/(rate*sent.Elapsed.Seconds())-1)*100)
					net = max(net, math.Abs(got/(rate*(sent.Elapsed-sent.Missed).Seconds())-1)*100)
					missed += sent.Missed.Seconds()
				}
			}
			b.ReportMetric(worst, "%off")
			b.ReportMetric(net, "%off-on-cpu")
			b.ReportMetric(missed, "sec-missed")
			b.ReportMetric(0, "ns/op")
		})
	}
}
