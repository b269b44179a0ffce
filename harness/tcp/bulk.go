// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/kxlab/kxlab/harness/netlab"
)

// Defaults of Bulk.
const (
	bulkSample = 10 * time.Millisecond
	bulkBucket = time.Second
)

// A Bulk is a set of TCP flows from one host to another, each with its own congestion control, all driven and watched by
// one thread at a fixed beat: at each, it reads what the kernel knows of every sender, gives senders more to send, and
// throws away what has arrived. Between the beats no program runs, so that what is measured is the kernel, and a guest
// whose clock counts instructions spends them on packets.
type Bulk struct {
	Server, Client *netlab.Host // who sends, who receives
	Flows          []BulkFlow
	Duration       time.Duration // from the start of the run
	Sample         time.Duration // between two looks at the senders; 0: 10 ms
	Bucket         time.Duration // over which goodput is counted; 0: 1 s
	// Events happen at their times, on the thread of the beat: changes of the path.
	Events []BulkEvent
	// Verify compares every byte that arrives with what was sent, at the price of copying it.
	Verify bool
	Seed   uint64 // of the data
	// Around is called to make the flows run, when all is prepared: what it does before and after is not theirs. May be nil.
	Around func(flows func() error) error
}

// A BulkFlow is one flow.
type BulkFlow struct {
	Algorithm string // for TCP_CONGESTION, at both ends
	From, To  netip.Addr
	Start     time.Duration
	Size      int64 // bytes, after which the flow is complete; 0: it sends until the end
}

// A BulkEvent happens once while flows run.
type BulkEvent struct {
	At time.Duration
	Do func() error
}

// A BulkReport is what became of the flows.
type BulkReport struct {
	Flows   []FlowReport
	Elapsed time.Duration
	Bucket  time.Duration
}

// A FlowReport is one flow's life.
type FlowReport struct {
	BulkFlow
	Ran       string        // the algorithm that the kernel says it used, at its end
	Connected time.Duration // when the connection stood, since the start of the run; 0: never
	Completed time.Duration // from connect to the last byte at the receiver; 0: not complete
	Received  int64         // bytes in order at the receiver
	Lost      int64         // bytes acknowledged to the sender that the receiver does not have
	// Buckets are the bytes in order at the receiver in each bucket of the run.
	Buckets []int64
	Samples []FlowSample
	Segment int // bytes of data in a full packet
	// Wrong is why the flow's numbers mean nothing; empty if they do.
	Wrong string
}

// A FlowSample is what the kernel knew of a sender at one time.
type FlowSample struct {
	At         time.Duration // since the start of the run
	RTT        time.Duration // smoothed, RFC 6298
	Window     uint32        // congestion window, packets
	Threshold  uint32        // slow start threshold, packets
	Acked      uint64        // bytes
	Sent       uint64        // bytes, retransmissions included
	Resent     uint64        // bytes
	Delivered  uint32        // packets
	Marked     uint32        // packets delivered with a congestion mark
	PacingRate uint64        // B/s
}

// Run makes the flows run and returns what became of them. A flow that does not start, is broken, stops or does not use
// its algorithm is reported as wrong; an error means that nothing can be said.
func (b Bulk) Run(ctx context.Context) (*BulkReport, error) {
	if b.Sample == 0 {
		b.Sample = bulkSample
	}
	if b.Bucket == 0 {
		b.Bucket = bulkBucket
	}
	if len(b.Flows) == 0 || b.Duration < b.Sample {
		return nil, fmt.Errorf("run flows: %d flows for %v: nothing to run", len(b.Flows), b.Duration)
	}
	r := &bulkRun{Bulk: b}
	defer r.close()
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("run flows: %w", err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	loop := func() error { return r.loop(ctx) }
	if b.Around != nil {
		loop = func() error { return b.Around(func() error { return r.loop(ctx) }) }
	}
	if err := loop(); err != nil {
		return nil, fmt.Errorf("run flows: %w", err)
	}
	return r.report(), nil
}

// startLimit is how long a connection may take to stand before the flow counts as never started.
const startLimit = 4 * time.Second

// silence is how long a flow may go without anything acknowledged at the end of its life: longer than any retransmission
// timer here should have backed off to.
func (b Bulk) silence() time.Duration { return max(3*time.Second, b.Duration/3) }

// judge finds out what is wrong with a flow.
func (f *FlowReport) judge(b Bulk, elapsed time.Duration) {
	switch {
	case f.Wrong != "":
	case f.Start >= elapsed:
	case f.Connected == 0 && elapsed-f.Start < startLimit:
		// Its first packets may have been lost, which costs a second or three: nothing can be said.
	case f.Connected == 0:
		f.Wrong = fmt.Sprintf("never started: no connection within %v", (elapsed - f.Start).Round(time.Millisecond))
	case f.Ran != f.Algorithm:
		f.Wrong = fmt.Sprintf("ran %q, not %q", f.Ran, f.Algorithm)
	case f.Size > 0 && f.Completed > 0:
	case len(f.Samples) > 0:
		last := f.Samples[len(f.Samples)-1]
		moved := f.Connected
		for i := len(f.Samples) - 1; i > 0; i-- {
			if f.Samples[i].Acked != f.Samples[i-1].Acked {
				moved = f.Samples[i].At
				break
			}
		}
		if quiet := last.At - moved; quiet > b.silence() {
			f.Wrong = fmt.Sprintf("stopped sending: nothing was acknowledged in the last %v, window %d", quiet.Round(time.Millisecond), last.Window)
		}
	}
}
