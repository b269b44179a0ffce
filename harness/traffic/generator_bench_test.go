// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// simplest replaces a generator's program by the least that still varies a port: no clock, no count, no checksums, one
// flow. It is the yardstick in the benchmarks.
func simplest(t testing.TB, b *netlab.Host) *Generator {
	t.Helper()
	g := newGenerator(t, b, udp4(1))
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 42),
		asm.Mov.Imm(asm.R0, 1), // XDP_DROP
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, 34, asm.Half),
		asm.Add.Imm(asm.R5, 1),
		asm.StoreMem(asm.R2, 34, asm.R5, asm.Half),
		asm.LoadMapPtr(asm.R1, g.coll.Maps["port"].FD()),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRedirectMap.Call(),
		asm.Return().WithSymbol("out"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	g.coll.Programs["generate"].Close()
	g.coll.Programs["generate"] = p
	return g
}

// call is how many packets one timed call sends.
const call = 4 << 20

// timed returns the packets that one long call sends for each second that CPU 0 works on them, from the generator to the
// sink: the CPU time of the thread, softirqs included, and of ksoftirqd. On a quiet machine that is the wall-clock rate of
// a long call; on a busy one it is what the rate would be. What does not
// arrive at the sink, if there is one, is an error.
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
			if err := g.write(wireState{Limit: math.MaxUint64, Random: 1, Next: p.next, Fresh: p.fresh}); err != nil {
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

// BenchmarkGenerator sends flat out to an XDP program that counts and drops at the other end of the link, all on one
// core, and gives the best of several calls beside the best of the simplest generator, interleaved with it.
func BenchmarkGenerator(b *testing.B) {
	host := newBalancer(b)
	sink := newSink(b, host, Pass, SinkOptions{})
	attach(b, host, sink.coll.Programs["count"])
	fresh := udp4(0)
	fresh.Fresh = true
	syn := udp4(4096).through(4, harness.TCP)
	syn.SYNShare = 0.5
	services := udp4(1 << 20)
	services.Services = 10000
	big := udp4(4096)
	big.Size = 1514
	base := simplest(b, host)
	for _, tt := range []struct {
		name   string
		stream Stream
	}{
		{"flows=1", udp4(1)}, {"flows=4096", udp4(4096)}, {"flows=1M", udp4(1 << 20)}, {"flows=new", fresh},
		{"family=6/flows=1M", udp4(1<<20).through(6, harness.UDP)}, {"proto=tcp/flows=1M", udp4(1<<20).through(4, harness.TCP)},
		{"proto=tcp/syn=0.5", syn}, {"services=10000/flows=1M", services}, {"size=1514", big},
	} {
		b.Run(tt.name, func(b *testing.B) {
			g := newGenerator(b, host, tt.stream)
			var best, yardstick float64
			for b.Loop() {
				for range 3 {
					best = max(best, timed(b, g, sink))
					yardstick = max(yardstick, timed(b, base, sink))
				}
			}
			b.ReportMetric(best, "pkt/s")
			b.ReportMetric(best/yardstick, "of-simplest")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkSink compares the sink's programs with a bare XDP_DROP under the same stream.
func BenchmarkSink(b *testing.B) {
	host := newBalancer(b)
	sink := newSink(b, host, Pass, SinkOptions{})
	g := newGenerator(b, host, udp4(4096))
	drop, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 1), asm.Return(),
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer drop.Close()
	best := map[string]float64{}
	programs := map[string]*ebpf.Program{"drop": drop, "count": sink.coll.Programs["count"], "track": sink.coll.Programs["track"]}
	for b.Loop() {
		for range 3 {
			for name, p := range programs {
				detach := attachFor(b, host, p)
				to := sink
				if name == "drop" {
					to = nil
				}
				rate := timed(b, g, to)
				detach()
				best[name] = max(best[name], rate)
			}
		}
	}
	for name := range programs {
		b.ReportMetric(1e9/best[name], name+"-ns/pkt")
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
