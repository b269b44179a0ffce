// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// Package netlink has neither the seed nor the loss models of netem, so this file writes queueing disciplines to the kernel
// attribute by attribute. The numbers are those of linux/pkt_sched.h.

// A qdisc is a queueing discipline of a netlink request: its place and its options.
type qdisc struct {
	kind    string
	parent  uint32
	handle  uint32
	options *nl.RtAttr
}

const (
	atRoot    = 0xffffffff
	rootID    = 1 << 16     // 1:
	firstID   = 1<<16 | 1   // 1:1
	innerID   = 2 << 16     // 2:
	certainty = 1<<32 - 1.0 // a probability of 1 as a 32-bit fraction
)

// add puts the discipline on a link of the calling thread's namespace. A kernel without it yields an error that wraps
// harness.ErrNotSupported.
func (q qdisc) add(ifindex int) error {
	err := q.send(ifindex, unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", harness.Skip("the kernel has no %s (sch_%s)", q.kind, q.kind), err)
	}
	return harness.Wrap(err, "add %s", q.kind)
}

// change sets the options of an existing discipline; packets in its queue stay there.
func (q qdisc) change(ifindex int) error {
	return harness.Wrap(q.send(ifindex, unix.RTM_NEWQDISC, 0), "change %s", q.kind)
}

// removeQdisc removes the discipline at a link's root, if there is one.
func removeQdisc(ifindex int) error {
	err := qdisc{parent: atRoot}.send(ifindex, unix.RTM_DELQDISC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return harness.Wrap(err, "remove queueing discipline")
}

func (q qdisc) send(ifindex, kind, flags int) error {
	req := nl.NewNetlinkRequest(kind, unix.NLM_F_ACK|flags)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(ifindex), Parent: q.parent, Handle: q.handle})
	if q.kind != "" {
		req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated(q.kind)))
	}
	if q.options != nil {
		req.AddData(q.options)
	}
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// words packs 32-bit numbers in native byte order, as in the kernel's structs.
func words(v ...uint32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, w := range v {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

// probability converts a share to a 32-bit fraction.
func probability(share float64) uint32 { return uint32(math.Round(share * certainty)) }

// Attributes of netem.
const (
	netemLoss      = 5
	netemLossGE    = 2 // inside netemLoss
	netemRate      = 6
	netemRate64    = 8
	netemLatency64 = 10
	netemSeed      = 14 // since 6.6; older kernels ignore it
)

// netem delays packets, sends them at a rate (bit/s; 0: no limit), loses some, and holds at most limit of them.
func netem(delay time.Duration, rate float64, limit int, p Path) qdisc {
	independent := p.Loss
	if p.Burst > 1 {
		independent = 0
	}
	options := nl.NewRtAttr(nl.TCA_OPTIONS, words(0, uint32(limit), probability(independent), 0, 0, 0))
	options.AddRtAttr(netemLatency64, nl.Uint64Attr(uint64(delay)))
	if rate > 0 {
		bytes := uint64(math.Round(rate / 8))
		options.AddRtAttr(netemRate64, nl.Uint64Attr(bytes))
		options.AddRtAttr(netemRate, words(uint32(min(bytes, math.MaxUint32)), 0, 0, 0))
	}
	if p.Loss > 0 && p.Burst > 1 {
		toBad, toGood := p.gilbert()
		model := options.AddRtAttr(netemLoss|unix.NLA_F_NESTED, nil)
		model.AddRtAttr(netemLossGE, words(probability(toBad), probability(toGood), 0, 0))
	}
	options.AddRtAttr(netemSeed, nl.Uint64Attr(p.Seed))
	return qdisc{kind: "netem", parent: atRoot, handle: rootID, options: options}
}

// tbf sends packets at a rate (bit/s), in bursts of at most two. Packets wait in its inner discipline.
func tbf(rate float64) qdisc {
	const ethernet = 1 // link layer: a packet's length counts as it is
	bytes := uint64(math.Round(rate / 8))
	spec := words(ethernet<<8, 0, uint32(min(bytes, math.MaxUint32))) // link layer, overhead and cell alignment, rate
	parms := append(append(spec, words(0, 0, 0)...), words(1<<30, 0, 0)...)
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(1, parms) // TCA_TBF_PARMS
	options.AddRtAttr(4, nl.Uint64Attr(bytes))
	options.AddRtAttr(6, words(2*Frame)) // TCA_TBF_BURST
	return qdisc{kind: "tbf", parent: atRoot, handle: rootID, options: options}
}

// manager is the inner discipline of tbf on a managed path.
func manager(p Path) qdisc {
	limit := uint32(p.packets())
	q := qdisc{parent: firstID, handle: innerID, options: nl.NewRtAttr(nl.TCA_OPTIONS, nil)}
	switch p.AQM {
	case aqmCodel, aqmCodelCE:
		q.kind = "codel"
		q.options.AddRtAttr(2, words(limit)) // TCA_CODEL_LIMIT
		q.options.AddRtAttr(4, words(1))     // TCA_CODEL_ECN
		if p.AQM == aqmCodelCE {
			q.options.AddRtAttr(5, words(242)) // TCA_CODEL_CE_THRESHOLD, µs
		}
	case aqmFQCodel:
		q.kind = "fq_codel"
		q.options.AddRtAttr(2, words(limit)) // TCA_FQ_CODEL_LIMIT
		q.options.AddRtAttr(4, words(1))     // TCA_FQ_CODEL_ECN
	case aqmRED:
		const wlog, plog, scell, ecn = 0, 0, 0, 1
		least := max(limit/6, 2) * Frame
		// Weight 0: the instantaneous queue length, not its average. Marking is certain one packet above the threshold.
		parms := append(words(limit*Frame, least, least+Frame), wlog, plog, scell, ecn)
		q.kind = "red"
		q.options.AddRtAttr(1, parms)             // TCA_RED_PARMS
		q.options.AddRtAttr(2, make([]byte, 256)) // TCA_RED_STAB
	}
	return q
}
