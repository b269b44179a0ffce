// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// TestCCCarriesTraffic sends 50 MB under each congestion control, under its own name, and all of it arrives.
func TestCCCarriesTraffic(t *testing.T) {
	path := newCCPath(t)
	for _, object := range ccObjects(t) {
		t.Run(object, func(t *testing.T) {
			c := putCC(t, ccVariant(object))
			f := path.flow(t, c.Algorithm())
			if err := f.send(50 << 20); err != nil {
				t.Fatal(err)
			}
			f.control(t, func(fd int) error {
				name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
				if err == nil && name != c.Algorithm() {
					t.Errorf("the socket uses %s, not %s", name, c.Algorithm())
				}
				return err
			})
			if n, err := c.Counters(); err != nil || n["sockets"] < 2 {
				t.Errorf("counters with a connection: %v, %v", n, err)
			}
			if err := c.InForce(); err != nil {
				t.Error(err)
			}
			i := f.info(t)
			if err := f.finish(); err != nil {
				t.Error(err)
			}
			t.Logf("window %d, threshold %d, rtt %d us, paced %d B/s, %d retransmitted", i.Snd_cwnd, i.Snd_ssthresh, i.Rtt,
				i.Pacing_rate, i.Total_retrans)
		})
	}
}

// bump makes a flow, sends so much that its window is wide open, and returns both when all is acknowledged. One flow in some
// hundreds stays small, whichever the algorithm (3,007 packets retransmitted in one case): then another is tried, three in all.
func bump(t *testing.T, path *ccPath, algorithm string) (*ccFlow, uint32) {
	t.Helper()
	for range 3 {
		f := path.flow(t, algorithm)
		for range 50 {
			if err := f.send(1 << 20); err != nil {
				t.Fatal(err)
			}
			if w := f.quiet(t).Snd_cwnd; w >= 60 {
				return f, w
			}
		}
		i := f.info(t)
		t.Logf("the window does not open: %d, threshold %d, %d retransmitted", i.Snd_cwnd, i.Snd_ssthresh, i.Total_retrans)
	}
	t.Fatal("the windows of three flows did not open")
	return nil, 0
}

// TestWindowAfterLoss drops one packet of a burst that is smaller than half the window, so that nothing grows it, and
// compares the threshold with the window before.
func TestWindowAfterLoss(t *testing.T) {
	path := newCCPath(t)
	for _, test := range []struct {
		name string
		v    harness.Variant
		beta uint32 // 1/1024
	}{
		{"reno of the kernel", harness.Variant{Name: "reno", Attach: "tcp-cc"}, 512},
		{"bpf-reno", ccVariant("cc/bpf_reno"), 512},
		{"cubic of the kernel", harness.Variant{Name: "cubic", Attach: "tcp-cc"}, 717},
		{"bpf-cubic", ccVariant("cc/bpf_cubic"), 717},
		{"bpf-cubic with a wrong beta", ccVariant("cc/bpf_cubic", harness.Knob{Name: "beta", Value: 300}), 300},
		{"bpf-dctcp", ccVariant("cc/bpf_dctcp"), 512},
		{"bbr of the kernel", harness.Variant{Name: "bbr", Attach: "tcp-cc"}, 1024},
		{"bpf-bbr", ccVariant("cc/bpf_bbr"), 1024},
		{"bpf-copa", ccVariant("cc/bpf_copa"), 1024},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := putCC(t, test.v)
			before, after := lose(t, path, c.Algorithm())
			if test.beta == 1024 { // a loss is no reason to slow down
				// But a phase that ends just then is, so one flow of three may be met by that.
				for tries := 1; after.Snd_cwnd < before*3/4; tries++ {
					if tries == 3 {
						t.Fatalf("the window fell from %d to %d, and so it did twice before", before, after.Snd_cwnd)
					}
					before, after = lose(t, path, c.Algorithm())
				}
				return
			}
			// A tail loss probe may repair the loss, of which the algorithm is not told: another flow is tried then, three in all.
			const untold = 1<<31 - 1
			for tries := 1; after.Snd_ssthresh == untold && tries < 3; tries++ {
				before, after = lose(t, path, c.Algorithm())
			}
			if want := before * test.beta / 1024; after.Snd_ssthresh != want {
				t.Errorf("threshold %d after a loss at window %d, want %d", after.Snd_ssthresh, before, want)
			}
		})
	}
}

// lose makes a flow with a wide window, drops one packet of a burst, and returns the window before and the flow's state after.
func lose(t *testing.T, path *ccPath, algorithm string) (before uint32, after *unix.TCPInfo) {
	t.Helper()
	f, before := bump(t, path, algorithm)
	path.set(t, pathDrop, 1)
	if err := f.send(20 * 1448); err != nil {
		t.Fatal(err)
	}
	after = f.quiet(t)
	if path.setting(t, pathDrop) != 0 || after.Total_retrans == 0 {
		t.Fatalf("no packet was dropped or none sent again: %d, %d", path.setting(t, pathDrop), after.Total_retrans)
	}
	t.Logf("window %d, then %d, threshold %d, state %d, retransmitted %d", before, after.Snd_cwnd, after.Snd_ssthresh,
		after.Ca_state, after.Total_retrans)
	return before, after
}

// TestDCTCPReactsToMarks: after many rounds without a mark the first cuts nothing, and when all packets are marked for
// long a mark cuts half.
func TestDCTCPReactsToMarks(t *testing.T) {
	path := newCCPath(t)
	c := putCC(t, ccVariant("cc/bpf_dctcp"))
	f, _ := bump(t, path, c.Algorithm())
	round := func(packets int64) *unix.TCPInfo { // a burst, then silence
		if err := f.send(packets * 1448); err != nil {
			t.Fatal(err)
		}
		return f.quiet(t)
	}
	for range 100 {
		round(20)
	}
	before := f.quiet(t)
	path.set(t, pathMark, 1)
	first := round(1)
	if first.Delivered_ce == 0 {
		t.Fatal("no mark was echoed")
	}
	// One packet is one round, in which alpha grows by 1/16 at most; a burst is as many as the machine's load makes of it. The
	// alpha of the connection's beginning would cut half.
	if cut := int(before.Snd_cwnd) - int(first.Snd_ssthresh); cut < 0 || cut > int(before.Snd_cwnd)/4 {
		t.Errorf("the first mark cut the window from %d to a threshold of %d", before.Snd_cwnd, first.Snd_ssthresh)
	}
	for range 60 {
		round(20)
	}
	path.set(t, pathMark, 0)
	low := f.quiet(t)
	t.Logf("window %d, after the first marks %d, after many %d", before.Snd_cwnd, first.Snd_cwnd, low.Snd_cwnd)
	// With a small alpha it would stay where the first cut left the window.
	if low.Snd_ssthresh > 3 {
		t.Errorf("the threshold is %d after 60 rounds of marks", low.Snd_ssthresh)
	}
	if err := f.finish(); err != nil {
		t.Error(err)
	}
}
