// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/netlab"
)

// maxUnaccounted is the largest share of the sent packets that may be unaccounted in a valid trial.
const maxUnaccounted = 0.001

// A Snapshot holds, at one moment, all counters of packets lost between a generator, a balancer and a sink.
type Snapshot struct {
	port    counters // the fabric's side of the balancer's link
	host    counters // the balancer's side
	stack   counters // the balancer's network stack
	qdisc   uint64   // the balancer's queues
	program map[string]uint64
}

// TakeSnapshot reads the counters around a balancer. program holds those of harness.Balancer.Counters; may be nil.
func TakeSnapshot(balancer *netlab.Host, program map[string]uint64) (s Snapshot, err error) {
	s.program = program
	if s.port, err = portStats(balancer.Port); err != nil {
		return s, err
	}
	err = balancer.Do(func() (err error) {
		if s.host, err = linkStats(balancer.Link); err != nil {
			return err
		}
		if s.stack, err = stackStats(); err != nil {
			return err
		}
		s.qdisc, err = qdiscStats(balancer.Ifindex)
		return err
	})
	return s, err
}

// A Loss is a number of packets lost in one place.
type Loss struct {
	Where string // "ring: …", "program: …", "qdisc", "stack: …", "generator: …"
	Count uint64
}

// An Account splits the packets of a trial by their fate.
type Account struct {
	Sent, Received uint64
	Lost           []Loss // located, in the order in which a packet passes the places; none is 0
	// Unaccounted is Sent without the received and the located packets. It is negative if packets of an earlier trial arrived
	// or if a packet was counted in two places.
	Unaccounted int64
}

// stackDrops are the stack's counters of dropped packets, without those that count the same packet a second time.
var stackDrops = []string{
	"IpInHdrErrors", "IpInAddrErrors", "IpInUnknownProtos", "IpInDiscards", "IpOutDiscards", "IpOutNoRoutes", "IpFragFails",
	"IpExtInNoRoutes", "IpExtInTruncatedPkts", "TcpExtIPReversePathFilter",
	"Ip6InHdrErrors", "Ip6InTooBigErrors", "Ip6InNoRoutes", "Ip6InAddrErrors", "Ip6InUnknownProtos", "Ip6InTruncatedPkts",
	"Ip6InDiscards", "Ip6OutDiscards", "Ip6OutNoRoutes", "Ip6FragFails",
	"conntrack_drop", "conntrack_early_drop", "conntrack_insert_failed",
}

// NewAccount locates the packets lost between two snapshots: before is from before the first packet was sent, after from when
// the last had time to arrive. received is the count of the sink.
func NewAccount(sent Transmission, received uint64, before, after Snapshot) Account {
	a := Account{Sent: sent.Packets, Received: received, Unaccounted: int64(sent.Packets) - int64(received)}
	grown := func(b, a counters, ending string) uint64 { return a.sum(ending) - b.sum(ending) }
	full := grown(before.port, after.port, "_xdp_xmit_errors")
	if sent.Packets > sent.Accepted+full {
		a.add("generator: redirect to a link without receiver", sent.Packets-sent.Accepted-full)
	}
	a.add("ring: to the balancer, full", full)
	xdpDrops, txErrors := grown(before.host, after.host, "_xdp_drops"), grown(before.host, after.host, "_xdp_tx_errors")
	a.add("ring: into the balancer's stack", grown(before.host, after.host, "_drops")-xdpDrops)
	var counted uint64 // by the program
	for _, name := range slices.Sorted(maps.Keys(after.program)) {
		if reason, ok := strings.CutPrefix(name, "drop_"); ok {
			n := after.program[name] - before.program[name]
			counted += n
			a.add("program: "+reason, n)
		}
	}
	if xdpDrops > counted {
		a.add("program: of XDP, without a count of its own", xdpDrops-counted)
	}
	for _, name := range stackDrops {
		a.add("stack: "+name, after.stack[name]-before.stack[name])
	}
	a.add("qdisc", after.qdisc-before.qdisc)
	a.add("ring: from the balancer, full (XDP)", txErrors)
	// The driver counts XDP's losses among the link's, too (veth_get_stats64).
	a.add("ring: from the balancer, full (stack)", after.host["tx_dropped"]-before.host["tx_dropped"]-txErrors)
	a.add("ring: into the sink", grown(before.port, after.port, "rx_queue_0_drops"))
	return a
}

func (a *Account) add(where string, n uint64) {
	if n > 0 {
		a.Lost = append(a.Lost, Loss{where, n})
		a.Unaccounted -= int64(n)
	}
}

// String lists the account on one line.
func (a Account) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sent %d, received %d", a.Sent, a.Received)
	for _, l := range a.Lost {
		fmt.Fprintf(&b, ", %s %d", l.Where, l.Count)
	}
	fmt.Fprintf(&b, ", unaccounted %d", a.Unaccounted)
	return b.String()
}

// Verdict returns why a trial with this account is invalid: no packet was sent, none arrived, or more than maxUnaccounted of
// them are unaccounted. It returns "" for a valid trial. Located losses do not make a trial invalid, because only packets that
// arrived are counted.
func (a Account) Verdict() string {
	off := max(a.Unaccounted, -a.Unaccounted)
	switch {
	case a.Sent == 0:
		return "nothing was sent"
	case a.Received == 0:
		return "nothing arrived: " + a.String()
	case float64(off) > maxUnaccounted*float64(a.Sent):
		return fmt.Sprintf("%.2f %% of the packets unaccounted: %s", 100*float64(a.Unaccounted)/float64(a.Sent), a)
	}
	return ""
}
