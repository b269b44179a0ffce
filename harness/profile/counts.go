// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/stats"
)

// Counts are executed instructions by the address of the block in which they lie.
type Counts map[uint64]uint64

// Total is the number of all instructions.
func (c Counts) Total() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

func byTotal(a, b Counts) int { return cmp.Compare(a.Total(), b.Total()) }

// A Window is what was executed between a mark Begin and its End: in laps, and after the last of them.
type Window struct {
	Laps    []Counts
	Rest    Counts
	Entered map[uint64]uint64 // how often the block at an address was entered, in the whole window
}

// Whole is what was executed in the whole window.
func (w Window) Whole() Counts {
	out := Counts{}
	for _, c := range append(slices.Clone(w.Laps), w.Rest) {
		for a, n := range c {
			out[a] += n
		}
	}
	return out
}

// manyLaps is from how many laps on the middle half of them counts, and not the middle one alone.
const manyLaps = 16

// Lap is a lap without rare work, such as a timer's tick: for each address, the mean of the middle half of the laps by their number
// of instructions, as stats.InterquartileMean; of few laps the median. So do families reduce their laps. Values are instructions of
// one lap.
func (w Window) Lap() map[uint64]float64 {
	laps := slices.Clone(w.Laps)
	slices.SortStableFunc(laps, byTotal)
	from, to := len(laps)/4, len(laps)-len(laps)/4
	if n := len(laps); n > 0 && n < manyLaps {
		from, to = (n-1)/2, (n-1)/2+1
	}
	out := map[uint64]float64{}
	for _, l := range laps[from:to] {
		for a, n := range l {
			out[a] += float64(n) / float64(to-from)
		}
	}
	return out
}

// without is a lap with the program under test, less one without it, which come second: for each address stats.Floor of the laps. Work of
// other threads is only ever added, at other addresses from lap to lap.
func (w Window) without() map[uint64]float64 {
	var sides [2][]Counts
	for i, l := range w.Laps {
		sides[i%2] = append(sides[i%2], l)
	}
	out := map[uint64]float64{}
	for i, laps := range sides {
		for a := range unionOf(laps) {
			at := make([]float64, len(laps))
			for k, l := range laps {
				at[k] = float64(l[a])
			}
			out[a] += stats.Floor(at) * float64(1-2*i)
		}
	}
	return out
}

// unionOf are the addresses of several counts.
func unionOf(all []Counts) map[uint64]bool {
	out := map[uint64]bool{}
	for _, c := range all {
		for a := range c {
			out[a] = true
		}
	}
	return out
}

// maxBlocks bounds the blocks of a record that a damaged file may claim.
const maxBlocks = 1 << 22

// A Trial is what was counted in a trial: the windows that were closed.
type Trial []Window

// ReadCounts reads what the plug-in wrote. Records before the first mark of a trial belong to a trial of their own.
func ReadCounts(r io.Reader) (out []Trial, err error) {
	var open *Window
	for {
		kind, counts, entered, err := readRecord(r)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read counts: %w", err)
		case kind == mark.KindTrial || len(out) == 0:
			out, open = append(out, nil), nil
		}
		switch kind {
		case mark.KindBegin:
			open = &Window{}
		case mark.KindLap:
			if open != nil {
				open.Laps = append(open.Laps, counts)
				open.enter(entered)
			}
		case mark.KindEnd:
			if open != nil {
				open.Rest = counts
				open.enter(entered)
				out[len(out)-1], open = append(out[len(out)-1], *open), nil
			}
		case mark.KindSkip, mark.KindTrial:
		default:
			return nil, fmt.Errorf("read counts: a mark of kind %d", kind)
		}
	}
}

// enter adds how often blocks were entered.
func (w *Window) enter(blocks map[uint64]uint64) {
	for a, n := range blocks {
		if w.Entered == nil {
			w.Entered = map[uint64]uint64{}
		}
		w.Entered[a] += n
	}
}

// readRecord reads what the plug-in wrote at one mark. The error is io.EOF at the end only.
func readRecord(r io.Reader) (kind uint64, counts Counts, entered map[uint64]uint64, err error) {
	var head [2]uint64
	if err := binary.Read(r, binary.NativeEndian, &head); err != nil {
		return 0, nil, nil, err
	}
	if head[1] > maxBlocks {
		return 0, nil, nil, fmt.Errorf("a record of %d addresses", head[1])
	}
	blocks := make([]uint64, 3*head[1])
	if err := binary.Read(r, binary.NativeEndian, blocks); err != nil {
		return 0, nil, nil, noEOF(err)
	}
	counts, entered = make(Counts, head[1]), make(map[uint64]uint64, head[1])
	for b := range slices.Chunk(blocks, 3) {
		counts[b[0]] += b[1]
		if b[2] > 0 {
			entered[b[0]] += b[2]
		}
	}
	return head[0], counts, entered, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
