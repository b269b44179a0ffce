// SPDX-License-Identifier: Apache-2.0

package control

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
)

// lineGrace is the time for which lines stay unchanged after their last use: a program that has read the service may
// still read its ring. Programs run for microseconds.
const lineGrace = 20 * time.Millisecond

// linesOf returns the number of lines of a ring of size slots.
func linesOf(size int) uint32 { return uint32((size + abi.LBSlotsPerLine - 1) / abi.LBSlotsPerLine) }

// A lineTable allocates extents of the map rings. Free extents are kept by length: rings have a few sizes only.
type lineTable struct {
	now   func() time.Time
	sleep func(time.Duration)
	total uint32
	top   uint32              // the first line that was never allocated
	free  map[uint32][]uint32 // length -> first lines
	held  []heldLines         // released less than lineGrace ago, oldest first
}

type heldLines struct {
	first, n uint32
	since    time.Time
}

func newLineTable(total uint32, now func() time.Time, sleep func(time.Duration)) *lineTable {
	return &lineTable{now: now, sleep: sleep, total: total, free: make(map[uint32][]uint32)}
}

// alloc returns the first of n consecutive lines that no program reads. It waits for released lines if no others are
// free.
func (t *lineTable) alloc(n uint32) (uint32, error) {
	for {
		t.reclaim()
		if l := t.free[n]; len(l) > 0 {
			t.free[n] = l[:len(l)-1]
			return l[len(l)-1], nil
		}
		if n <= t.total-t.top {
			t.top += n
			return t.top - n, nil
		}
		if first, ok := t.merge(n); ok {
			return first, nil
		}
		if len(t.held) == 0 {
			return 0, fmt.Errorf("allocate ring: no %d consecutive lines of %d are free; load with more (Options.RingLines)",
				n, t.total)
		}
		t.sleep(lineGrace - t.now().Sub(t.held[0].since))
	}
}

// release frees an extent after lineGrace.
func (t *lineTable) release(first, n uint32) {
	t.held = append(t.held, heldLines{first, n, t.now()})
}

// reclaim frees the extents that were released at least lineGrace ago.
func (t *lineTable) reclaim() {
	i := 0
	for ; i < len(t.held) && t.now().Sub(t.held[i].since) >= lineGrace; i++ {
		l := t.held[i]
		t.free[l.n] = append(t.free[l.n], l.first)
	}
	t.held = slices.Delete(t.held, 0, i)
}

// merge joins adjacent free extents and allocates n lines of the first that is long enough.
func (t *lineTable) merge(n uint32) (uint32, bool) {
	type extent struct{ first, n uint32 }
	var all []extent
	for length, firsts := range t.free {
		for _, f := range firsts {
			all = append(all, extent{f, length})
		}
	}
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.first, b.first) })
	var joined []extent
	for _, e := range all {
		if k := len(joined) - 1; k >= 0 && joined[k].first+joined[k].n == e.first {
			joined[k].n += e.n
			continue
		}
		joined = append(joined, e)
	}
	found, ok := uint32(0), false
	clear(t.free)
	for _, e := range joined {
		if !ok && e.n >= n {
			found, ok = e.first, true
			e.first, e.n = e.first+n, e.n-n
		}
		if e.n > 0 {
			t.free[e.n] = append(t.free[e.n], e.first)
		}
	}
	return found, ok
}
