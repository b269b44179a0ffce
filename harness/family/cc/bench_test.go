// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
)

// loopback makes a namespace with nothing but a loopback link, and returns its path.
func loopback(t testing.TB) string {
	t.Helper()
	labtest.AsRoot(t)
	var h netns.NsHandle
	done := make(chan error)
	go func() { // on a thread that is thrown away
		runtime.LockOSThread()
		done <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if h, err = netns.Get(); err != nil {
				return err
			}
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			return netlink.LinkSetUp(lo)
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(h))
}

// BenchmarkLoopback compares each port with the kernel's original, over loopback, where the cost of an acknowledgement
// shows: bytes per second while both take turns, a piece each, and the median of the pieces' ratios.
func BenchmarkLoopback(b *testing.B) {
	const piece, pieces = 200 * time.Millisecond, 41
	ns := loopback(b)
	for _, test := range []struct{ original, port string }{{"cubic", "cc/bpf_cubic"}, {"reno", "cc/bpf_reno"}, {"bbr", "cc/bpf_bbr"}, {"cubic", ""}} {
		name := strings.TrimPrefix(test.port, "cc/")
		if name == "" {
			name = test.original + " against itself"
		}
		b.Run(name, func(b *testing.B) {
			original := putCC(b, harness.Variant{Name: test.original, Attach: "tcp-cc"})
			port := original
			if test.port != "" {
				port = putCC(b, ccVariant(test.port))
			}
			path := &ccPath{sender: ns, receiver: ns, addr: "127.0.0.1"}
			for b.Loop() {
				var rates [2][]float64
				var ratios []float64
				for i := range pieces {
					var now [2]float64
					for j := range 2 {
						which := (i + j) % 2 // who goes first changes
						now[which] = goodput(b, path, []congestionControl{original, port}[which].Algorithm(), piece)
						rates[which] = append(rates[which], now[which])
					}
					ratios = append(ratios, now[1]/now[0])
				}
				for _, l := range [][]float64{rates[0], rates[1], ratios} {
					slices.Sort(l)
				}
				b.ReportMetric(rates[0][pieces/2], "original-B/s")
				b.ReportMetric(rates[1][pieces/2], "port-B/s")
				b.ReportMetric(ratios[pieces/2], "port/original")
			}
		})
	}
}

// goodput sends for so long and returns the bytes per second that arrived.
func goodput(b *testing.B, p *ccPath, algorithm string, d time.Duration) float64 {
	b.Helper()
	var f *ccFlow
	var in net.Conn
	f, in, err := p.connect(algorithm)
	if err != nil {
		b.Fatal(err)
	}
	got := make(chan int64, 1)
	go func() {
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{in}, make([]byte, 256<<10))
		in.Close()
		got <- n
	}()
	began := time.Now()
	buf := make([]byte, 256<<10)
	for time.Since(began) < d {
		if _, err := f.conn.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.conn.Close(); err != nil {
		b.Fatal(err)
	}
	n := <-got
	return float64(n) / time.Since(began).Seconds()
}
