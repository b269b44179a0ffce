// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness/mark"
)

// record is what the plug-in writes at a mark, of blocks that were never entered at their beginning.
func record(kind uint64, pairs ...uint64) []byte {
	words := []uint64{kind, uint64(len(pairs) / 2)}
	for p := range slices.Chunk(pairs, 2) {
		words = append(words, p[0], p[1], 0)
	}
	b, _ := binary.Append(nil, binary.NativeEndian, words)
	return b
}

func TestReadCounts(t *testing.T) {
	lap, end, begin, skip, trial := uint64(mark.KindLap), uint64(mark.KindEnd), uint64(mark.KindBegin), uint64(mark.KindSkip), uint64(mark.KindTrial)
	for _, c := range []struct {
		name    string
		records [][]byte
		want    []Trial
	}{
		{"nothing", nil, nil},
		{"a window with laps", [][]byte{record(begin), record(lap, 16, 3), record(skip), record(lap, 16, 1, 32, 2), record(end, 48, 9)},
			[]Trial{{{Laps: []Counts{{16: 3}, {16: 1, 32: 2}}, Rest: Counts{48: 9}}}}},
		{"windows of two trials", [][]byte{record(trial), record(begin), record(end, 1, 1), record(begin), record(end, 2, 2), record(trial),
			record(begin), record(end, 3, 3)}, []Trial{{{Rest: Counts{1: 1}}, {Rest: Counts{2: 2}}}, {{Rest: Counts{3: 3}}}}},
		{"a window that a trial cut short", [][]byte{record(trial), record(begin), record(lap, 1, 1), record(trial), record(end, 2, 2)}, []Trial{nil, nil}},
	} {
		got, err := ReadCounts(bytes.NewReader(bytes.Join(c.records, nil)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	for _, c := range []struct {
		raw  []byte
		want string
	}{
		{record(end, 1, 1)[:20], io.ErrUnexpectedEOF.Error()},
		{record(end)[:9], io.ErrUnexpectedEOF.Error()},
		{record(99), "kind 99"},
		{record(end, make([]uint64, 4)...)[:16], io.ErrUnexpectedEOF.Error()},
	} {
		if _, err := ReadCounts(bytes.NewReader(c.raw)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("% x: %v, want %s", c.raw, err, c.want)
		}
	}
}

// A lap with a timer's tick in it does not count.
func TestLap(t *testing.T) {
	w := Window{Laps: []Counts{{1: 100, 2: 10}, {1: 1}, {1: 102, 2: 10}, {1: 100, 2: 10, 3: 9999}}}
	if diff := cmp.Diff(map[uint64]float64{1: 100, 2: 10}, w.Lap()); diff != "" {
		t.Error(diff)
	}
	var many Window
	for i := range uint64(20) { // the middle half is 5 to 14, but two of them have ticks
		c := Counts{1: i}
		if i == 6 || i == 7 {
			c[3] = 9999
		}
		many.Laps = append(many.Laps, c)
	}
	if diff := cmp.Diff(map[uint64]float64{1: (5 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15 + 16) / 10.}, many.Lap()); diff != "" {
		t.Error(diff)
	}
	if got := (Window{}).Lap(); len(got) != 0 {
		t.Errorf("a window without laps: %v", got)
	}
	if got := w.Whole().Total(); got != 100+10+1+102+10+100+10+9999 {
		t.Errorf("whole: %d", got)
	}
}
