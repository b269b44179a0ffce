// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
)

// known are the kernels whose treatment of the corpus was recorded.
var known = []version{{6, 1}, {6, 12}, {6, 18}, {7, 2}, {7, 3}}

// hostStage is a stage on this machine, where nothing of the corpus runs.
func hostStage(t *testing.T) (harness.Experiment, *stage) {
	t.Helper()
	labtest.AsRoot(t)
	e := openSafety(t)
	g := harness.Group{Members: harness.Map(e.Variants, func(v harness.Variant) harness.Member { return harness.Member{Name: v.Name, Variant: v} })}
	s, err := Family{Loader: bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return e, s.(*stage)
}

func cellOf(variant, workload, by string) harness.Cell {
	return harness.Cell{Workload: workload, Variant: variant, Axes: []harness.AxisValue{{Name: axisBy, Value: by}}}
}

// TestLoadHere: this machine's kernel makes of each fault what is recorded.
func TestLoadHere(t *testing.T) {
	e, s := hostStage(t)
	if !slices.Contains(known, s.kernel) {
		t.Skipf("kernel %v is not one of %v, whose treatment of the corpus is recorded", s.kernel, known)
	}
	for _, v := range e.Variants {
		for _, by := range []string{byRoot, byBPF} {
			t.Run(v.Name+"/"+by, func(t *testing.T) {
				r, err := s.Measure(t.Context(), cellOf(v.Name, workLoad, by), harness.Budget{})
				if errors.Is(err, harness.ErrNotSupported) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				if r.Metrics[0].Value > float64(harness.FateAccepted) {
					t.Errorf("fate %v: something ran", harness.Fate(r.Metrics[0].Value))
				}
			})
		}
	}
}

// TestNothingRunsHere: on this machine no fault runs and no module is loaded.
func TestNothingRunsHere(t *testing.T) {
	_, s := hostStage(t)
	for _, c := range []harness.Cell{cellOf("sound", workFault, byRoot), cellOf("sound", workFault, byModule), cellOf("sound", workLoad, byModule)} {
		if _, err := s.Measure(t.Context(), c, harness.Budget{}); !errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("%s by %s: %v, want a skip", c.Workload, c.Axis(axisBy), err)
		}
	}
}

// TestRights: a thread with fewer rights cannot do what the others can, and ends.
func TestRights(t *testing.T) {
	_, s := hostStage(t)
	v, _ := harness.Find(s.members, func(m harness.Member) bool { return m.Name == "pointer-to-map" })
	for by, want := range map[string]harness.Fate{byRoot: harness.FateAccepted, byBPF: harness.FateRefused} {
		if f, _, err := s.program(context.Background(), v.Variant, by, false); err != nil || f.fate != want {
			t.Errorf("by %s: %v, %v, want %v", by, f, err, want)
		}
	}
	if err := withRights(nil, func() error { _, err := trySound(s); return err }); err == nil {
		t.Error("a thread without rights loaded a program")
	}
}

// trySound loads the program without a fault; a refusal is an error.
func trySound(s *stage) (found, error) {
	f, _, err := s.program(context.Background(), harness.Variant{Name: "sound", Object: soundObject}, byRoot, false)
	if err == nil && f.fate == harness.FateRefused {
		err = errors.New(f.words)
	}
	return f, err
}
