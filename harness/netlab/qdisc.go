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

// Package netlink knows neither the seed nor the loss models of netem, so queueing disciplines are written to the kernel
// attribute by attribute. The numbers are those of linux/pkt_sched.h.

// A qdisc is a queueing discipline as the kernel takes it: where it stands and what its options are.
type qdisc struct {
	kind    string
	parent  uint32
	handle  uint32
	options *nl.RtAttr
}

const (
	atRoot   = 0xffffffff
	rootID   = 1 << 16     // 1:
	firstID  = 1<<16 | 1   // 1:1
	innerID  = 2 << 16     // 2:
	mostOf32 = 1<<32 - 1.0 // a chance of 1 where chances are 32-bit fractions
)

// add puts the discipline on a link of the calling thread's namespace. A kernel without it yields an error that wraps
// harness.ErrNotSupported.
func (q qdisc) add(ifindex int) error {
	err := q.send(ifindex, unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", harness.Skip("the kernel has no %s (sch_%s)", q.kind, q.kind), err)
	}
	if err != nil {
		return fmt.Errorf("add %s: %w", q.kind, err)
	}
	return nil
}

// change gives a discipline that stands there new options; what waits in it goes on waiting.
func (q qdisc) change(ifindex int) error {
	if err := q.send(ifindex, unix.RTM_NEWQDISC, 0); err != nil {
		return fmt.Errorf("change %s: %w", q.kind, err)
	}
	return nil
}

// removeQdisc takes away whatever stands at a link's root. None is no error.
func removeQdisc(ifindex int) error {
	err := qdisc{parent: atRoot}.send(ifindex, unix.RTM_DELQDISC, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("remove queueing discipline: %w", err)
	}
	return nil
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

// words packs 32-bit numbers as the kernel's structs have them.
func words(v ...uint32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, w := range v {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func chance(share float64) uint32 { return uint32(math.Round(share * mostOf32)) }

// Attributes of netem.
const (
	netemLoss      = 5
	netemLossGE    = 2 // inside netemLoss
	netemRate      = 6
	netemRate64    = 8
	netemLatency64 = 10
	netemSeed      = 14 // since 6.6; older kernels pass over it
)

// netem delays packets, one after another at a rate (bit/s; 0: none), loses some, and holds at most limit of them.
func netem(delay time.Duration, rate float64, limit int, p Path) qdisc {
	independent := p.Loss
	if p.Burst > 1 {
		independent = 0
	}
	options := nl.NewRtAttr(nl.TCA_OPTIONS, words(0, uint32(limit), chance(independent), 0, 0, 0))
	options.AddRtAttr(netemLatency64, nl.Uint64Attr(uint64(delay)))
	if rate > 0 {
		bytes := uint64(math.Round(rate / 8))
		options.AddRtAttr(netemRate64, nl.Uint64Attr(bytes))
		options.AddRtAttr(netemRate, words(uint32(min(bytes, math.MaxUint32)), 0, 0, 0))
	}
	if p.Loss > 0 && p.Burst > 1 {
		toBad, toGood := p.gilbert()
		model := options.AddRtAttr(netemLoss|unix.NLA_F_NESTED, nil)
		model.AddRtAttr(netemLossGE, words(chance(toBad), chance(toGood), 0, 0))
	}
	options.AddRtAttr(netemSeed, nl.Uint64Attr(p.Seed))
	return qdisc{kind: "netem", parent: atRoot, handle: rootID, options: options}
}

// tbf lets packets pass at a rate (bit/s), two at a time at most. What waits, waits in the discipline put inside it.
func tbf(rate float64) qdisc {
	const ethernet = 1 // how the kernel counts a packet's length
	bytes := uint64(math.Round(rate / 8))
	spec := words(ethernet<<8, 0, uint32(min(bytes, math.MaxUint32))) // link layer, overhead and cell alignment, rate
	parms := append(append(spec, words(0, 0, 0)...), words(1<<30, 0, 0)...)
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(1, parms) // TCA_TBF_PARMS
	options.AddRtAttr(4, nl.Uint64Attr(bytes))
	options.AddRtAttr(6, words(2*Frame)) // TCA_TBF_BURST
	return qdisc{kind: "tbf", parent: atRoot, handle: rootID, options: options}
}

// manager is the discipline that keeps the queue of a managed path, inside tbf.
func manager(p Path) qdisc {
	room := uint32(p.packets())
	q := qdisc{parent: firstID, handle: innerID, options: nl.NewRtAttr(nl.TCA_OPTIONS, nil)}
	switch p.AQM {
	case aqmCodel, aqmCodelCE:
		q.kind = "codel"
		q.options.AddRtAttr(2, words(room)) // TCA_CODEL_LIMIT
		q.options.AddRtAttr(4, words(1))    // TCA_CODEL_ECN
		if p.AQM == aqmCodelCE {
			q.options.AddRtAttr(5, words(242)) // TCA_CODEL_CE_THRESHOLD, µs
		}
	case aqmFQCodel:
		q.kind = "fq_codel"
		q.options.AddRtAttr(2, words(room)) // TCA_FQ_CODEL_LIMIT
		q.options.AddRtAttr(4, words(1))    // TCA_FQ_CODEL_ECN
	case aqmRED:
		const ecn, probability = 1, 0
		least := max(room/6, 2) * Frame
		// Weight 0: the queue as it is now, not its average. Marking is certain one packet above the threshold.
		parms := append(words(room*Frame, least, least+Frame), 0, probability, 0, ecn)
		q.kind = "red"
		q.options.AddRtAttr(1, parms)             // TCA_RED_PARMS
		q.options.AddRtAttr(2, make([]byte, 256)) // TCA_RED_STAB
	}
	return q
}
