// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
)

// TestReplaceShowsWhoUsesWhat: connections keep what they began with, new ones get what is registered, and one that asks
// for the name again changes over.
func TestReplaceShowsWhoUsesWhat(t *testing.T) {
	path, ctx := newCCPath(t), context.Background()
	c := putCC(t, ccVariant("cc/bpf_reno"))
	first := c.(*bpfCC).instance
	keep, err := first.Ops.Clone() // to look at it after Replace closed it
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	old := &bpfobj.CcInstance{Object: "old", Ops: keep}
	users := func(what string, i *bpfobj.CcInstance, want uint64) {
		t.Helper()
		var got uint64
		var err error
		for range 50 { // sockets that closed are let go after a grace period
			if got, err = i.Users(); err != nil {
				t.Fatal(err)
			}
			if got == want {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s: %d users, want %d", what, got, want)
	}
	f := path.flow(t, c.Algorithm()) // three sockets: both ends, and the one that listened, which is closed
	users("reno with a connection", old, 3)

	if err := c.Replace(ctx, ccVariant("cc/bpf_cubic")); err != nil {
		t.Fatal(err)
	}
	if err := c.InForce(); err != nil {
		t.Error(err)
	}
	users("reno after its replacement", old, 2)
	users("cubic before a connection", c.(*bpfCC).instance, 1)

	g := path.flow(t, c.Algorithm())
	users("reno with a new connection", old, 2)
	users("cubic with a new connection", c.(*bpfCC).instance, 3)

	f.control(t, func(fd int) error {
		return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, c.Algorithm())
	})
	users("reno after one socket asked again", old, 1)
	users("cubic after one socket asked again", c.(*bpfCC).instance, 4)
	for _, f := range []*ccFlow{f, g} {
		if err := f.send(1 << 20); err != nil {
			t.Error(err)
		}
		if err := f.finish(); err != nil {
			t.Error(err)
		}
	}

	now := c.(*bpfCC).instance
	wantError(t, c.Replace(ctx, ccVariant("cc/bpf_cubic", harness.Knob{Name: "nonesuch"})), false, "unknown knob", "beta")
	wantError(t, c.Replace(ctx, harness.Variant{Name: "reno", Attach: "tcp-cc"}), true, "want struct_ops")
	if err := c.InForce(); err != nil || c.(*bpfCC).instance != now {
		t.Errorf("after replacements that failed: %v", err)
	}
	// Update compares the registered program: one that another update has replaced is not replaced again.
	o, err := bpfobj.OpenCC(ccVariant("cc/bpf_reno"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := bpfobj.LoadCC(c.(*bpfCC).types, o, c.Algorithm(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := bpfobj.UpdateStructOps(c.(*bpfCC).link, next.Ops, keep); err == nil {
		t.Error("what had been replaced was replaced again")
	}
}

// TestSwapUnderLoad replaces the algorithm of 100 running flows again and again. Nothing is lost and no connection
// breaks. After each replacement one of the flows asks for the name again, and so changes over while it runs. Make soak replaces a
// thousand times.
func TestSwapUnderLoad(t *testing.T) {
	const flows = 100
	swaps := 200
	switch {
	case labtest.Soak():
		swaps = 1000
	case testing.Short():
		swaps = 50
	}
	path, ctx := newCCPath(t), context.Background()
	variants := []harness.Variant{ccVariant("cc/bpf_cubic"), ccVariant("cc/bpf_reno"), ccVariant("cc/bpf_bbr"), ccVariant("cc/bpf_copa")}
	c := putCC(t, variants[0])
	var stop atomic.Bool
	var wg sync.WaitGroup
	var all []*ccFlow
	broken := make(chan error, flows)
	for range flows {
		f := path.flow(t, c.Algorithm())
		all = append(all, f)
		wg.Go(func() {
			for !stop.Load() {
				if err := f.send(16 << 10); err != nil {
					broken <- err
					return
				}
				time.Sleep(20 * time.Millisecond) // 80 MB/s in all: the replacements are to have most of the machine
			}
		})
	}
	whole := make([]time.Duration, 0, swaps)
	for i := range swaps {
		began := time.Now()
		if err := c.Replace(ctx, variants[(i+1)%len(variants)]); err != nil {
			t.Fatal(err)
		}
		whole = append(whole, time.Since(began))
		all[i%flows].control(t, func(fd int) error {
			return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, c.Algorithm())
		})
	}
	if err := c.InForce(); err != nil {
		t.Error(err)
	}
	stop.Store(true)
	wg.Wait()
	close(broken)
	n := 0
	for err := range broken {
		n++
		t.Errorf("a connection broke: %v", err)
	}
	var sent, lost int64
	for _, f := range all {
		if err := f.finish(); err != nil {
			t.Error(err)
		}
		sent, lost = sent+f.sent, lost+f.sent-f.got.Load()
	}
	slices.Sort(whole)
	t.Logf("%d swaps under %d flows: connections broken %d, bytes lost %d of %d, a swap with its load p50 %v p99 %v",
		swaps, flows, n, lost, sent, whole[swaps/2], whole[swaps*99/100])
}
