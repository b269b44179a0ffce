// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
)

// realGrace is the time for which the index of a removed real is not used again, because entries of flow tables hold
// indices. Flushing the flow tables ends it.
const realGrace = 2 * time.Minute

// A realTable assigns each real server in use a fixed index. It uses an index again only if no new ones are left, the
// longest unused first. It is pure: it returns what must be written.
type realTable struct {
	now     func() time.Time
	byID    map[ID]uint16
	used    []realUse // by index
	retired []realUse // indices out of use, longest first; stale entries are skipped
}

type realUse struct {
	id    ID
	index uint16
	refs  int
	left  uint64    // number of times that refs fell to 0: identifies a stale entry of retired
	since time.Time // when refs last fell to 0
	ready bool      // the index may be used again at once
}

func newRealTable(now func() time.Time) *realTable {
	return &realTable{now: now, byID: make(map[ID]uint16)}
}

// acquire returns the index of a real and adds one use. fresh: the real must be written.
func (t *realTable) acquire(id ID) (index uint16, fresh bool, err error) {
	if i, ok := t.byID[id]; ok {
		u := &t.used[i]
		u.refs++
		// Without uses it was marked down, or will be: writing it again is harmless.
		return i, u.refs == 1, nil
	}
	i, err := t.free()
	if err != nil {
		return 0, false, err
	}
	t.used[i] = realUse{id: id, index: i, refs: 1, left: t.used[i].left}
	t.byID[id] = i
	return i, true, nil
}

// free returns an index that no flow entry holds.
func (t *realTable) free() (uint16, error) {
	if len(t.used) < abi.LBMaxReals {
		t.used = append(t.used, realUse{})
		return uint16(len(t.used) - 1), nil
	}
	for ; len(t.retired) > 0; t.retired = t.retired[1:] {
		u := &t.used[t.retired[0].index]
		if u.refs > 0 || u.left != t.retired[0].left {
			continue
		}
		if ago := t.now().Sub(u.since); !u.ready && ago < realGrace {
			return 0, fmt.Errorf("add real: all %d indices are in use or were until %s ago", abi.LBMaxReals,
				ago.Round(time.Second))
		}
		delete(t.byID, u.id)
		t.retired = t.retired[1:]
		return u.index, nil
	}
	return 0, fmt.Errorf("add real: all %d indices are in use", abi.LBMaxReals)
}

// release removes one use and reports whether it was the last.
func (t *realTable) release(i uint16) (last bool) {
	u := &t.used[i]
	if u.refs--; u.refs > 0 {
		return false
	}
	u.since, u.ready = t.now(), false
	u.left++
	if len(t.retired) >= 2*abi.LBMaxReals {
		t.retired = slices.DeleteFunc(t.retired, func(r realUse) bool {
			return t.used[r.index].refs > 0 || t.used[r.index].left != r.left
		})
	}
	t.retired = append(t.retired, *u)
	return true
}

// inUse reports whether anything uses index i.
func (t *realTable) inUse(i uint16) bool { return t.used[i].refs > 0 }

// flushed makes all retired indices ready: no flow entry holds one.
func (t *realTable) flushed() {
	for _, r := range t.retired {
		if t.used[r.index].refs == 0 {
			t.used[r.index].ready = true
		}
	}
}
