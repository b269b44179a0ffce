// SPDX-License-Identifier: Apache-2.0

package bpf

import "testing"

// TestRecentFlows: a flow that was found in its line is found without it in the same tick, and only then; a SYN ends that, and so does
// the end of its real.
func TestRecentFlows(t *testing.T) {
	pin(t)
	for _, object := range balancers {
		t.Run(object, func(t *testing.T) {
			r := newRig(t, rigSpec{Object: object, Reals: 2, Entries: 8, Flags: func(int) uint16 { return slotTrack | slotLook }})
			later := newRig(t, rigSpec{Object: object, Reals: 2, Entries: 8, Share: r, Flags: func(int) uint16 { return slotTrack | slotLook },
				Knobs: map[string]any{"flow_clock_ahead": uint64(1)}})
			p := tcp(4)
			syn := p
			syn.flags = flagSYN
			to := func(r *rig, p segment) int {
				_, out := r.run(t, p.bytes())
				return realOf(out)
			}
			by := to(r, p)
			other := 1 - by
			// known makes the flow one of the other real that is recent, and empties the lines.
			known := func() {
				r.forget(t)
				to(r, p)
				r.edit(t, func(e uint64) uint64 { return e&^0xffff | uint64(other+1) })
				to(r, p)
				r.edit(t, func(uint64) uint64 { return 0 })
			}
			for range 3 { // a tick may end within any one
				known()
				if to(r, p) == other {
					break
				}
			}
			if got := to(r, p); got != other {
				t.Errorf("recent and not in its line: to real %d, want %d", got, other)
			}
			if got := to(later, p); got != by {
				t.Errorf("recent a tick before: to real %d, want the ring's, %d", got, by)
			}
			known()
			if got := [2]int{to(r, syn), to(r, p)}; got != [2]int{by, by} {
				t.Errorf("a SYN and what follows it: to reals %v, want the ring's, %d", got, by)
			}
			known()
			r.setReal(t, other, realDown)
			if got := [2]int{to(r, p), to(r, p)}; got != [2]int{by, by} {
				t.Errorf("its real went down: to reals %v, want the ring's, %d", got, by)
			}
			r.setReal(t, other, 0)
			if got := to(r, p); got != by {
				t.Errorf("and came back: to real %d, want %d", got, by)
			}
		})
	}
}

// edit changes all entries of the flow table.
func (r *rig) edit(tb testing.TB, change func(uint64) uint64) {
	tb.Helper()
	var key uint32
	var line [8]uint64
	for lines := r.Maps["flows"].Iterate(); lines.Next(&key, &line); {
		for i, e := range line {
			if e != 0 {
				line[i] = change(e)
			}
		}
		r.put(tb, "flows", key, line)
	}
}
