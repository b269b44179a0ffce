// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/laps"
)

// A Lap says what a run on one input takes in two programs that were timed in turns.
type Lap struct {
	laps.Comparison
	Input      string
	Difference string // how the outputs differ, or ""
}

// Timed reports whether programs of the kind can be timed in turns on this machine.
func (k Kind) Timed() bool { return slices.Contains(laps.Types(), k.Type) }

// CompareRuns times the programs of a group's two members against one another on this machine, on each of the named inputs, or, of
// none, on all. Before, each program just loaded gets the inputs in order, once each, as in a trial. Outputs that differ are said, not
// refused.
func (f Family) CompareRuns(ctx context.Context, g harness.Group, inputs []string, o laps.Options) (out []Lap, err error) {
	st, err := f.Prepare(ctx, g)
	if err != nil {
		return nil, err
	}
	s := st.(*stage)
	defer func() { err = errors.Join(err, s.Close()) }()
	for i, m := range g.Members {
		if err := s.absent[m.Name]; err != nil {
			return nil, fmt.Errorf("%s: %w", "AB"[i:i+1], err)
		}
	}
	err = s.place.do(func() error {
		var all []Input
		for at := 0; at == 0 || at < len(all); at++ {
			a, b, err := s.loadBoth(g.Members)
			if err != nil {
				return err
			}
			if all = s.inputs(a.kind); len(inputs) > 0 && !slices.Contains(inputs, all[at].Name) {
				if err := errors.Join(a.Close(), b.Close()); err != nil {
					return err
				}
				continue
			}
			l := Lap{Input: all[at].Name}
			l.Difference, err = difference(a, b, all[:at+1])
			if err := errors.Join(err, a.Close(), b.Close()); err != nil {
				return err
			}
			l.Comparison, err = laps.Compare(ctx, laps.Traffic{Packet: all[at].Data, Like: a.spec},
				func(_ context.Context, of laps.Side) (*ebpf.Program, func() error, error) {
					return s.loadRun(g.Members[of], of, all[:at+1])
				}, o)
			if err != nil {
				return fmt.Errorf("input %s: %w", l.Input, err)
			}
			out = append(out, l)
		}
		return nil
	})
	return out, err
}

// loadBoth loads both programs anew.
func (s *stage) loadBoth(members []harness.Member) (a, b *program, err error) {
	if a, err = s.load(members[0].Variant); err != nil {
		return nil, nil, err
	}
	if b, err = s.load(members[1].Variant); err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	return a, b, nil
}

// loadRun loads one program anew and gives it the inputs in order.
func (s *stage) loadRun(member harness.Member, side laps.Side, inputs []Input) (*ebpf.Program, func() error, error) {
	p, err := s.load(member.Variant)
	if err != nil {
		return nil, nil, err
	}
	if _, err := outputs(p.Program, p.kind, inputs); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%v: %w", side, err), p.Close())
	}
	return p.Program, p.Close, nil
}

// difference runs the inputs in order on both programs, and says how the outputs of the last one differ.
func difference(a, b *program, inputs []Input) (string, error) {
	x, err := outputs(a.Program, a.kind, inputs)
	if err != nil {
		return "", fmt.Errorf("A: %w", err)
	}
	y, err := outputs(b.Program, b.kind, inputs)
	if err != nil {
		return "", fmt.Errorf("B: %w", err)
	}
	return a.kind.Difference(x, y), nil
}
