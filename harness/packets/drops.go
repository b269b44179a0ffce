// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/netlab"
)

// maxUnaccounted is the share of the packets sent that may be missing without a trace.
const maxUnaccounted = 0.001

// A Snapshot holds, at one moment, all counters of packets lost between a generator, a balancer and a sink.
type Snapshot struct {
	port    counters // the fabric's side of the balancer's link
	host    counters // the balancer's side
	stack   counters // the balancer's network stack
	qdisc   uint64   // the balancer's queues
	program map[string]uint64
}

// Look takes a snapshot around a balancer. program is what harness.Balancer.Counters says; may be nil.
func Look(balancer *netlab.Host, program map[string]uint64) (s Snapshot, err error) {
	s.program = program
	if s.port, err = portStats(balancer.Port); err != nil {
		return s, err
	}
	err = balancer.Do(func() error {
		var err error
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

// An Account says where the packets of a trial went.
type Account struct {
	Sent, Received uint64
	Lost           []Loss // located, in the order of the way a packet goes; none is 0
	// Unaccounted is what was sent and is neither received nor located. It is negative if more was received or located
	// than sent: packets of an earlier trial, or counted in two places.
	Unaccounted int64
}

// stackDrops are the stack's counters of dropped packets; not those that count the same packet a second time.
var stackDrops = []string{
	"IpInHdrErrors", "IpInAddrErrors", "IpInUnknownProtos", "IpInDiscards", "IpOutDiscards", "IpOutNoRoutes", "IpFragFails",
	"IpExtInNoRoutes", "IpExtInTruncatedPkts", "TcpExtIPReversePathFilter",
	"Ip6InHdrErrors", "Ip6InTooBigErrors", "Ip6InNoRoutes", "Ip6InAddrErrors", "Ip6InUnknownProtos", "Ip6InTruncatedPkts",
	"Ip6InDiscards", "Ip6OutDiscards", "Ip6OutNoRoutes", "Ip6FragFails",
	"conntrack_drop", "conntrack_early_drop", "conntrack_insert_failed",
}

// NewAccount locates what was lost between two snapshots, taken before the first packet was sent and after the last had
// time to arrive. sent is what the generators sent, received what the sink counted.
func NewAccount(sent Sent, received uint64, before, after Snapshot) Account {
	a := Account{Sent: sent.Packets, Received: received}
	grown := func(b, a counters, ending string) uint64 { return a.sum(ending) - b.sum(ending) }
	full := grown(before.port, after.port, "_xdp_xmit_errors")
	if sent.Packets > sent.Taken+full {
		a.add("generator: redirect to a link without receiver", sent.Packets-sent.Taken-full)
	}
	a.add("ring: to the balancer, full", full)
	a.add("ring: into the balancer's stack", grown(before.host, after.host, "_drops")-grown(before.host, after.host, "_xdp_drops"))
	var known uint64
	var names []string
	for name := range after.program {
		if strings.HasPrefix(name, "drop_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		n := after.program[name] - before.program[name]
		known += n
		a.add("program: "+strings.TrimPrefix(name, "drop_"), n)
	}
	if n := grown(before.host, after.host, "_xdp_drops"); n > known {
		a.add("program: of XDP, without a count of its own", n-known)
	}
	for _, name := range stackDrops {
		a.add("stack: "+name, after.stack[name]-before.stack[name])
	}
	a.add("qdisc", after.qdisc-before.qdisc)
	a.add("ring: from the balancer, full (XDP)", grown(before.host, after.host, "_xdp_tx_errors"))
	// The driver counts XDP's losses among the link's, too (veth_get_stats64).
	a.add("ring: from the balancer, full (stack)",
		after.host["tx_dropped"]-before.host["tx_dropped"]-grown(before.host, after.host, "_xdp_tx_errors"))
	a.add("ring: into the sink", grown(before.port, after.port, "rx_queue_0_drops"))
	a.Unaccounted = int64(a.Sent) - int64(a.Received)
	for _, l := range a.Lost {
		a.Unaccounted -= int64(l.Count)
	}
	return a
}

func (a *Account) add(where string, n uint64) {
	if n > 0 {
		a.Lost = append(a.Lost, Loss{where, n})
	}
}

// located is how many packets were lost in a known place.
func (a Account) located() (n uint64) {
	for _, l := range a.Lost {
		n += l.Count
	}
	return n
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

// Verdict returns why a trial with this account does not count, or "" if it does: nothing was sent, nothing arrived, or
// more than maxUnaccounted of what was sent is missing, or too much, without a trace. Located losses do not make a trial
// invalid: what arrived is what counts.
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
