// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/kxlab/kxlab/harness/netlab"
)

// A Bulk is a set of TCP flows from one host to another, each with its own congestion control. One thread drives all of them
// at a fixed interval: it reads the kernel's state of every sender, gives senders more data, and discards received data. In
// between no program runs, so that the kernel is measured, and a guest whose clock counts instructions spends them on packets.
type Bulk struct {
	Server, Client *netlab.Host // sender and receiver of the data
	Flows          []BulkFlow
	Duration       time.Duration // from the start of the run
	Sample         time.Duration // interval of samples; 0: 10 ms
	Bucket         time.Duration // interval of goodput; 0: 1 s
	// Events run at their times, on the thread that drives the flows: changes of the path.
	Events []BulkEvent
	// Verify compares every received byte with the one that was sent, which needs a copy.
	Verify bool
	Seed   uint64 // of the data
	// Around calls its argument to run the prepared flows. It may measure before and after. May be nil.
	Around func(flows func() error) error
}

// A BulkFlow is one flow.
type BulkFlow struct {
	Algorithm string // for TCP_CONGESTION, at both ends
	From, To  netip.Addr
	Start     time.Duration
	Size      int64 // bytes, after which the flow is complete; 0: the flow sends until the end
}

// A BulkEvent runs once while flows run.
type BulkEvent struct {
	At time.Duration
	Do func() error
}

// A BulkReport holds the results of the flows.
type BulkReport struct {
	Flows   []FlowReport
	Elapsed time.Duration
	Bucket  time.Duration
}

// A FlowReport holds the results of one flow.
type FlowReport struct {
	BulkFlow
	Ran       string        // the algorithm at the flow's end, by the kernel
	Connected time.Duration // when the connection was established, since the start of the run; 0: never
	Completed time.Duration // from connect to the last byte at the receiver; 0: not complete
	Received  int64         // bytes in order at the receiver
	Lost      int64         // bytes acknowledged to the sender that the receiver does not have
	// Buckets are the bytes in order at the receiver in each bucket of the run.
	Buckets []int64
	Samples []FlowSample
	Segment int // bytes of data in a full packet
	// Wrong is why the flow's numbers are invalid; empty if they are valid.
	Wrong string
}

// A FlowSample is the kernel's state of a sender at one time.
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

// Run runs the flows and returns their results. A flow that does not start, breaks, stops or does not use its algorithm is
// reported as wrong; an error means that there are no results.
func (b Bulk) Run(ctx context.Context) (*BulkReport, error) {
	b.Sample, b.Bucket = cmp.Or(b.Sample, 10*time.Millisecond), cmp.Or(b.Bucket, time.Second)
	if len(b.Flows) == 0 || b.Duration < b.Sample {
		return nil, fmt.Errorf("run flows: %d flows for %v, want at least 1 for %v", len(b.Flows), b.Duration, b.Sample)
	}
	r := &bulkRun{Bulk: b}
	defer r.close()
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("run flows: %w", err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	around := b.Around
	if around == nil {
		around = func(flows func() error) error { return flows() }
	}
	if err := around(func() error { return r.loop(ctx) }); err != nil {
		return nil, fmt.Errorf("run flows: %w", err)
	}
	return r.report(), nil
}

// startLimit is the time after which a flow without a connection counts as never started.
const startLimit = 4 * time.Second

// silence is the longest time without acknowledged data at the end of a valid flow: longer than any retransmission timeout
// of these paths.
func (b Bulk) silence() time.Duration { return max(3*time.Second, b.Duration/3) }

// judge sets Wrong if the flow's numbers are invalid.
func (f *FlowReport) judge(b Bulk, elapsed time.Duration) {
	switch {
	case f.Wrong != "":
	case f.Start >= elapsed:
	case f.Connected == 0 && elapsed-f.Start < startLimit:
		// Undecided: a lost SYN costs a second, two lost ones three.
	case f.Connected == 0:
		f.Wrong = fmt.Sprintf("never started: no connection within %v", (elapsed - f.Start).Round(time.Millisecond))
	case f.Ran != f.Algorithm:
		f.Wrong = fmt.Sprintf("ran %q, not %q", f.Ran, f.Algorithm)
	case f.Size > 0 && f.Completed > 0:
	case len(f.Samples) > 0:
		last := f.Samples[len(f.Samples)-1]
		progress := f.Connected
		for i := len(f.Samples) - 1; i > 0; i-- {
			if f.Samples[i].Acked != f.Samples[i-1].Acked {
				progress = f.Samples[i].At
				break
			}
		}
		if quiet := last.At - progress; quiet > b.silence() {
			f.Wrong = fmt.Sprintf("stopped sending: nothing was acknowledged in the last %v, window %d", quiet.Round(time.Millisecond), last.Window)
		}
	}
}
