// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
)

// lineGrace is how long lines of a ring stay as they are after no service uses them: a program that read the service
// just before still reads its ring. Programs run for microseconds.
const lineGrace = 20 * time.Millisecond

// linesOf returns how many lines a ring of size slots takes.
func linesOf(size int) uint32 { return uint32((size + abi.LBSlotsPerLine - 1) / abi.LBSlotsPerLine) }

// A lineTable hands out extents of the map rings. Free extents are kept by length: rings come in a few sizes only.
type lineTable struct {
	now   func() time.Time
	sleep func(time.Duration)
	total uint32
	top   uint32              // lines never handed out begin here
	free  map[uint32][]uint32 // length -> first lines
	limbo []limboLines        // released, oldest first
}

type limboLines struct {
	first, n uint32
	since    time.Time
}

func newLineTable(total uint32, now func() time.Time, sleep func(time.Duration)) *lineTable {
	return &lineTable{now: now, sleep: sleep, total: total, free: make(map[uint32][]uint32)}
}

// alloc returns the first of n consecutive lines that nobody reads. Where only lines that were just released are
// left, it waits for them.
func (t *lineTable) alloc(n uint32) (uint32, error) {
	for {
		t.ripen()
		if l := t.free[n]; len(l) > 0 {
			t.free[n] = l[:len(l)-1]
			return l[len(l)-1], nil
		}
		if n <= t.total-t.top {
			t.top += n
			return t.top - n, nil
		}
		if first, ok := t.carve(n); ok {
			return first, nil
		}
		if len(t.limbo) == 0 {
			return 0, fmt.Errorf("allocate ring: no %d consecutive lines of %d are free; load with more (Options.RingLines)",
				n, t.total)
		}
		t.sleep(lineGrace - t.now().Sub(t.limbo[0].since))
	}
}

// release gives an extent back.
func (t *lineTable) release(first, n uint32) {
	t.limbo = append(t.limbo, limboLines{first, n, t.now()})
}

// ripen moves what nobody can be reading any more from limbo to the free extents.
func (t *lineTable) ripen() {
	i := 0
	for ; i < len(t.limbo) && t.now().Sub(t.limbo[i].since) >= lineGrace; i++ {
		l := t.limbo[i]
		t.free[l.n] = append(t.free[l.n], l.first)
	}
	t.limbo = slices.Delete(t.limbo, 0, i)
}

// carve joins neighbouring free extents and cuts n lines out of the first that is long enough.
func (t *lineTable) carve(n uint32) (uint32, bool) {
	type extent struct{ first, n uint32 }
	var all []extent
	for length, firsts := range t.free {
		for _, f := range firsts {
			all = append(all, extent{f, length})
		}
	}
	slices.SortFunc(all, func(a, b extent) int { return int(a.first) - int(b.first) })
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
