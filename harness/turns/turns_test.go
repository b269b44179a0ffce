// SPDX-License-Identifier: Apache-2.0

package turns

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// A lab is a family and its stage: the member in the first place is slower by a tenth, and B by cost.
type lab struct {
	cost    float64
	invalid func(n int) bool // whether turn n does not count
	noise   *rand.Rand
	first   string
	turns   []string
}

func (l *lab) Workloads() []string                          { return nil }
func (l *lab) Methods() []string                            { return nil }
func (l *lab) Axes() []string                               { return nil }
func (l *lab) Absent() map[string]error                     { return nil }
func (l *lab) Check(_ context.Context, member string) error { return nil }
func (l *lab) Close() error                                 { return nil }
func (l *lab) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	l.first = g.Members[0].Name
	return l, nil
}

func (l *lab) Measure(_ context.Context, c harness.Cell, _ harness.Budget) (r harness.Result, err error) {
	l.turns = append(l.turns, c.Variant)
	if l.invalid != nil && l.invalid(len(l.turns)) {
		return r, errors.New("not this one")
	}
	v := 100 * (1 + 0.05*l.noise.NormFloat64())
	if c.Variant == l.first {
		v *= 1.1
	}
	if c.Variant == "b" {
		v *= 1 + l.cost
	}
	r.Metrics = []harness.Metric{{Unit: "sec/op", Value: v}, {Unit: "resent", Value: 0}}
	return r, nil
}

// TestCompare: a difference of 5 % is found with its size though the place makes 10 %, and none without one; each side has as many turns.
func TestCompare(t *testing.T) {
	g := harness.Group{Members: []harness.Member{{Name: "a"}, {Name: "b"}}}
	for _, cost := range []float64{0, 0.05} {
		notes := 0
		l := &lab{cost: cost, noise: rand.New(rand.NewPCG(1, 2)), invalid: func(n int) bool { return n%50 == 7 }}
		got, err := Compare(t.Context(), l, g, harness.Cell{}, Options{Setups: 12, Pairs: 32, Note: func(string) { notes++ }})
		if err != nil || len(got) != 1 || got[0].Unit != "sec/op" || got[0].Pairs != 12*32 || notes != 1 || g.Members[0].Name != "a" {
			t.Fatalf("%v: %+v, %d notes", err, got, notes)
		}
		if c := got[0]; c.Low > cost || c.High < cost || c.Change < cost-0.02 || c.Change > cost+0.02 || c.High-c.Low < 0.005 {
			t.Errorf("%+v, want %v", c, cost)
		}
	}
	l := &lab{noise: rand.New(rand.NewPCG(1, 2)), invalid: func(n int) bool { return n > 3 }}
	if _, err := Compare(t.Context(), l, g, harness.Cell{}, Options{Setups: 4, Pairs: 8}); err == nil || !strings.Contains(err.Error(), "11 turns in a row do not count, the last: not this one") {
		t.Error(err)
	}
	if _, err := Compare(t.Context(), l, g, harness.Cell{}, Options{Setups: 5, Pairs: 8}); err == nil {
		t.Error("an odd number of set-ups")
	}
}
