// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Frame is the length of one full data packet, bytes: 1500 of IP and an Ethernet header, as queues of the kernel count it.
const Frame = 1514

// Active queue management of the bottleneck. With AQMNone the queue drops at its tail; the others mark instead of dropping if
// the sender has negotiated ECN.
const (
	AQMNone    = "none"
	aqmCodel   = "codel"    // RFC 8289 with its defaults, marking ECN
	aqmCodelCE = "codel-ce" // marks every packet that waited longer than 242 µs, as data centres do
	aqmFQCodel = "fq-codel" // RFC 8290 with its defaults, marking ECN
	aqmRED     = "red"      // marks by the instantaneous queue length, above a sixth of the limit: DCTCP's step
)

// AQMs lists them.
func AQMs() []string { return []string{AQMNone, aqmCodel, aqmCodelCE, aqmFQCodel, aqmRED} }

// A Path describes the emulated path from the chain's server to its client. Each direction has half the delay; rate, queue
// and loss act in the direction of the data.
type Path struct {
	// Rate of the bottleneck, bit/s of Ethernet frames; 0: no bottleneck, no queue and no loss.
	Rate float64
	RTT  time.Duration // without any queueing
	// Buffer is the limit of the bottleneck's queue, in bandwidth-delay products (Rate times RTT).
	Buffer float64
	Loss   float64 // share of the data packets that are lost at random; 1: an outage
	// Burst is the mean number of packets lost in a row; up to 1: each loss is independent of the others. Above 1 the losses
	// follow Gilbert's model with the same share.
	Burst float64
	AQM   string // one of AQMs; empty is AQMNone
	// Far adds delay to the reverse path to the server's further addresses, for flows with longer round trip times.
	Far  []time.Duration
	Seed uint64 // of the losses
}

// bdp is the bandwidth-delay product in bytes.
func (p Path) bdp() float64 { return p.Rate / 8 * p.RTT.Seconds() }

// packets is the limit of the bottleneck's queue in full packets.
func (p Path) packets() int { return int(math.Round(p.Buffer * p.bdp() / Frame)) }

// limit is the limit of netem's queue, which holds the packets on the link as well as those that wait for it.
func (p Path) limit() int {
	return int(math.Ceil(p.Rate/8*(p.RTT/2).Seconds()/Frame)) + p.packets()
}

// Check returns an error unless the path can be emulated.
func (p Path) Check() error {
	switch {
	case p.Rate < 0 || p.Rate > 100e9:
		return fmt.Errorf("check path: rate of %g bit/s, want 0 to 1e11", p.Rate)
	case p.RTT < 0 || p.RTT > 10*time.Second:
		return fmt.Errorf("check path: round trip of %v, want 0 to 10 s", p.RTT)
	case p.Loss < 0 || p.Loss > 1:
		return fmt.Errorf("check path: loss of %g, want a share from 0 to 1", p.Loss)
	case p.Burst > 1 && p.Loss >= 1:
		return fmt.Errorf("check path: loss of %g in bursts, want less than 1", p.Loss)
	case len(p.Far) > chainFar:
		return fmt.Errorf("check path: %d further round trips, want at most %d", len(p.Far), chainFar)
	case p.Rate > 0 && p.Buffer*p.bdp() < Frame:
		return fmt.Errorf("check path: a buffer of %g BDP is %.0f bytes at %g bit/s and %v: less than one packet of %d",
			p.Buffer, p.Buffer*p.bdp(), p.Rate, p.RTT, Frame)
	case p.AQM != "" && !slices.Contains(AQMs(), p.AQM):
		return fmt.Errorf("check path: unknown AQM %q (there are: %v)", p.AQM, AQMs())
	}
	return nil
}

// managed is true if the bottleneck's queue is that of an AQM and not netem's.
func (p Path) managed() bool { return p.Rate > 0 && p.AQM != "" && p.AQM != AQMNone }

// gilbert returns the transition probabilities from the good to the bad state and back, per packet: every packet is lost in
// the bad state and none in the good one (Gilbert 1960), so that the mean stay in the bad state is Burst packets and its
// share of all packets is Loss.
func (p Path) gilbert() (toBad, toGood float64) {
	toGood = 1 / p.Burst
	return toGood * p.Loss / (1 - p.Loss), toGood
}
