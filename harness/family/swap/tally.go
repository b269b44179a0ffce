// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/packets"
)

// A change is one replacement.
type change struct {
	generation uint32
	began      uint64        // when it was called, ns of CLOCK_MONOTONIC
	took       time.Duration // the call
}

// A tally is what became of the packets of a trial.
type tally struct {
	sent    uint64
	count   abi.SwapCount
	seen    []abi.SwapSeen
	changes []change
	// oneClock says that one CPU sends, carries and replaces in turn, on a clock of instructions: the generator pauses for nothing else.
	oneClock bool
	noun     string         // what is counted; "": packets
	places   []packets.Loss // where packets were lost, as far as the kernel counts it
}

// full is the number of packets for which a ring had no room: the receive work ran behind the generator.
func (t *tally) full() (n uint64) {
	for _, p := range t.places {
		if strings.HasPrefix(p.Where, "ring: ") {
			n += p.Count
		}
	}
	return n
}

// lost is the number of packets that did not come and for which no ring was full.
func (t *tally) lost() uint64 { return t.sent - min(t.sent, t.count.Packets-t.count.Again+t.full()) }

// served is the number of packets that came and were seen by exactly one version.
func (t *tally) served() uint64 {
	c := t.count
	return c.Packets - min(c.Packets, c.Again+c.Neither+c.Both+c.Alien)
}

// nouns is what is counted.
func (t *tally) nouns() string { return cmp.Or(t.noun, "packets") }

// unaccounted returns why the numbers of the packets that came do not add up to those sent; "" if they do.
func (t *tally) unaccounted() string {
	c := t.count
	switch {
	case t.sent == 0:
		return "nothing was sent"
	case c.Packets == 0:
		return fmt.Sprintf("none of %d %s came", t.sent, t.nouns())
	case c.Next > t.sent || c.Packets+c.Missing != c.Next+c.Late+c.Again:
		return fmt.Sprintf("%s do not add up: sent %d, came %d, up to number %d, left out %d, late %d, twice %d",
			t.nouns(), t.sent, c.Packets, c.Next, c.Missing, c.Late, c.Again)
	}
	return ""
}

// fault returns what a load without replacements must not show, and "" if each packet was seen by version g alone and came in order.
func (t *tally) fault(g uint32) string {
	c := t.count
	if why := t.unaccounted(); why != "" {
		return why
	}
	for _, f := range []struct {
		n    uint64
		what string
	}{
		{t.lost(), "lost"}, {c.Neither, "seen by no version"}, {c.Both, "seen more than once"}, {c.Late, "late"}, {c.Again, "came twice"},
		{c.Alien, "of no generation"}, {c.Packets - t.seen[g].Packets - min(c.Packets, c.Neither+c.Alien), fmt.Sprintf("of another version than %d", g)},
	} {
		if f.n > 0 {
			return fmt.Sprintf("%d of %d %s %s", f.n, t.sent, t.nouns(), f.what)
		}
	}
	return ""
}

// result makes metrics. Times are of replacements whose version saw a packet, and whose call began while packets came; pauses of the
// generator are taken off them.
func (t *tally) result() harness.Result {
	c := t.count
	carried := t.sent - min(t.sent, t.full())
	share := func(n uint64) float64 { return float64(n) / float64(max(carried, 1)) }
	var call, force, gap, worst []float64
	starved := 0
	for _, ch := range t.changes {
		call = append(call, ch.took.Seconds())
		g := t.seen[ch.generation]
		if t.oneClock {
			g.Paused = 0
		}
		// A pause that began before the call, or that is as long as all that passed since, hides when the version came into force.
		if g.Packets == 0 || g.Paused > 0 && (g.Last < ch.began || g.First <= ch.began+g.Paused) {
			starved++
			continue
		}
		force = append(force, after(g.First, ch.began+g.Paused))
		gap = append(gap, after(g.First, g.Last+g.Paused))
		worst = append(worst, float64(g.Worst)/1e9)
	}
	r := harness.Result{Iterations: int64(t.sent), Invalid: t.unaccounted()}
	r.Metrics = []harness.Metric{
		{Unit: "served-share", Value: share(t.served())},
		{Unit: "lost-share", Value: share(t.lost())},
		{Unit: "neither-share", Value: share(c.Neither)},
		{Unit: "both-share", Value: share(c.Both)},
		{Unit: "full-share", Value: float64(t.full()) / float64(max(t.sent, 1))},
		{Unit: "late-share", Value: share(c.Late + c.Again + c.Back)},
	}
	if n := len(t.changes); n > 0 && starved == n && r.Invalid == "" {
		r.Invalid = fmt.Sprintf("no version saw a packet in any of %d replacements: the generator was starved", n)
	}
	if len(t.changes) > 0 {
		r.Metrics = append(r.Metrics, harness.Metric{Unit: "starved-share", Value: float64(starved) / float64(len(t.changes))})
	}
	for _, m := range []struct {
		name   string
		values []float64
	}{{"call", call}, {"force", force}, {"gap", gap}, {"latency", worst}} {
		if len(m.values) == 0 {
			continue
		}
		slices.Sort(m.values)
		r.Metrics = append(r.Metrics, harness.Metric{Unit: "p50-" + m.name + "-sec", Value: quantile(m.values, 0.5)},
			harness.Metric{Unit: "p99-" + m.name + "-sec", Value: quantile(m.values, 0.99)})
		r.Series = append(r.Series, harness.Series{Name: m.name, Unit: "sec", Y: m.values, Notes: "of each replacement, sorted"})
	}
	for _, p := range t.places {
		r.Series = append(r.Series, harness.Series{Name: "lost at " + p.Where, Unit: "pkt", Y: []float64{float64(p.Count)}})
	}
	return r
}

// without returns the metrics of other units.
func without(all []harness.Metric, units ...string) []harness.Metric {
	return harness.Filter(all, func(m harness.Metric) bool { return !slices.Contains(units, m.Unit) })
}

// after is the time in seconds from b to a, 0 if a is not after b: a pause of the generator is known to a batch of packets.
func after(a, b uint64) float64 { return float64(a-min(a, b)) / 1e9 }

// quantile is the order statistic of sorted values that a part q of them do not exceed.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
