// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
)

// openStage is a stage on this machine with all variants of the definition.
func openStage(t *testing.T) (harness.Experiment, *stage) {
	t.Helper()
	labtest.AsRoot(t)
	f := Family{Loader: bpfobj.New(bpfobj.Options{})}
	e, err := experiments.Open("jit", experiments.Vocabulary{Families: map[string]harness.Family{"jit": f}})
	if err != nil {
		t.Fatal(err)
	}
	g := harness.Group{Members: harness.Map(e.Variants, func(v harness.Variant) harness.Member { return harness.Member{Name: v.Name, Variant: v} })}
	s, err := f.Prepare(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return e, s.(*stage)
}

// TestHere: every place that this machine has passes the gate and measures; the module and the interpreter are not for it.
func TestHere(t *testing.T) {
	e, s := openStage(t)
	for _, v := range e.Variants {
		t.Run(v.Name, func(t *testing.T) {
			guest := v.Attach == methodModule || v.Attach == methodInterpret
			err := s.Absent()[v.Name]
			if guest && (!errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "guests only")) || !guest && err != nil {
				t.Fatalf("absent: %v", err)
			}
			if guest {
				return
			}
			if err := s.Check(t.Context(), v.Name); err != nil {
				t.Fatal(err)
			}
			r, err := s.Measure(t.Context(), harness.Cell{Variant: v.Name, Axes: []harness.AxisValue{{Name: axisFunction, Value: "loop"}}}, harness.Budget{Measure: 1e6})
			if err != nil || r.Metrics[0].Unit != "cpu-ns/op" || r.Metrics[0].Value < abi.JitRounds/10 {
				t.Errorf("%+v, %v", r.Metrics, err)
			}
		})
	}
}

// TestMapIsForBPF: a function of BPF's own is a skip elsewhere.
func TestMapIsForBPF(t *testing.T) {
	f, err := functionOf("map")
	if err != nil {
		t.Fatal(err)
	}
	p, err := openUser("jit/functions")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []place{p, modulePlace{}} {
		if _, err := p.open(f, order{1, 1, 1}); !errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("%T: %v, want a skip", p, err)
		}
	}
}

// TestGateFindsWrongCode: a program with a fault planted in one function fails the gate by the function's name, and passes for the others.
func TestGateFindsWrongCode(t *testing.T) {
	raw, err := bpf.User("jit/functions")
	if err != nil {
		t.Fatal(err)
	}
	prime := binary.LittleEndian.AppendUint64(nil, 0x100000001b3)
	wrong := bytes.Replace(raw, prime, binary.LittleEndian.AppendUint64(nil, 0x100000001b5), -1)
	if bytes.Equal(raw, wrong) {
		t.Fatal("nothing was planted: the program does not hold the prime of FNV")
	}
	s := &stage{places: map[string]place{"right": userPlace{raw}, "wrong": userPlace{wrong}}}
	if err := s.Check(t.Context(), "right"); err != nil {
		t.Error(err)
	}
	if err := s.Check(t.Context(), "wrong"); err == nil || !strings.Contains(err.Error(), "variant wrong: function fnv is wrong: for input 0 it returned") {
		t.Errorf("%v", err)
	}
	for _, c := range []struct {
		function string
		wrong    bool
	}{{"fnv", true}, {"loop", false}} {
		_, err := s.Measure(t.Context(), harness.Cell{Variant: "wrong", Axes: []harness.AxisValue{{Name: axisFunction, Value: c.function}}}, harness.Budget{Measure: 1e6})
		if errors.Is(err, harness.ErrSetup) != c.wrong || !c.wrong && err != nil {
			t.Errorf("%s: %v", c.function, err)
		}
	}
}

// A lazy place does nothing: results that were there before stay.
type lazy struct{}

func (lazy) open(function, order) (session, error)      { return lazy{}, nil }
func (lazy) run(_ context.Context, j *abi.JitJob) error { return nil }
func (lazy) Close() error                               { return nil }

// TestGateFindsLazyCode: a place that computes nothing fails in every function.
func TestGateFindsLazyCode(t *testing.T) {
	for _, f := range functions {
		if err := check(t.Context(), lazy{}, f); err == nil || !strings.Contains(err.Error(), "function "+f.name+" is wrong") {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// TestJudge: each result counts, the last one too.
func TestJudge(t *testing.T) {
	for _, f := range functions {
		j := newJob(f, 1, order{1, 1, 1})
		for i := range j.Results {
			j.Results[i] = f.expect(j, i)
		}
		if err := judge(f, j); err != nil {
			t.Error(err)
		}
		j.Results[abi.JitInputs-1]++
		if err := judge(f, j); err == nil || !strings.Contains(err.Error(), "function "+f.name+" is wrong: for input 63") {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// TestInputs: inputs of the gate's seeds reach every end of the functions.
func TestInputs(t *testing.T) {
	ends := map[uint64]int{}
	found, missed, longest := 0, 0, 0
	for seed := range uint64(gateSeeds) {
		j := &abi.JitJob{}
		fill(j, seed)
		for at := range abi.JitInputs {
			ends[classify(j, at)>>32]++
			if lookup(j, at) == 0 {
				missed++
			} else {
				found++
			}
			slot := int(mix(j.Keys[at]) % abi.JitSlots)
			for n := 1; j.Table[2*slot] != 0 && j.Table[2*slot] != j.Keys[at]; n++ {
				slot, longest = (slot+1)%abi.JitSlots, max(longest, n)
			}
		}
	}
	for _, end := range []uint64{abi.JitShort, abi.JitOther, abi.JitFragment, 6, 17} {
		if ends[end] == 0 {
			t.Errorf("no packet of class %d: %v", end, ends)
		}
	}
	if found < 3*missed-8 || missed == 0 || longest < 3 {
		t.Errorf("%d keys found, %d missed, the longest probe has %d steps", found, missed, longest)
	}
}

// TestLowest: of each input the shortest turn counts, and of the inputs the mean.
func TestLowest(t *testing.T) {
	turns := make([]uint64, 2*abi.JitInputs)
	for i := range turns {
		turns[i] = 100 + uint64(i%abi.JitInputs)
	}
	turns[5], turns[abi.JitInputs+7] = 9000, 9000
	if got, want := lowest(turns), 100+float64(abi.JitInputs-1)/2; got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestCheckAxis: an unknown function is named.
func TestCheckAxis(t *testing.T) {
	if err := (Family{}).CheckAxis(axisFunction, "chekcsum"); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("%v", err)
	}
}

// TestGuestMethods: a host is told the other targets.
func TestGuestMethods(t *testing.T) {
	for _, method := range (Family{}).GuestMethods() {
		_, err := Family{}.placeOf(harness.Variant{Name: "v", Attach: method}, false)
		if !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "target exact or vm") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestComplete: the embedded objects have what trials need; an object of something else is told all that it lacks.
func TestComplete(t *testing.T) {
	for object, want := range map[string][]string{
		"jit/functions_v3": nil, "swap/xdp_stamp": {"read swap/xdp_stamp: a source for jit (docs/definitions.md", "variable inputs, variable rounds", "program run_empty, program run_checksum", "program run_map"},
	} {
		spec, err := bpf.Open(object)
		if err != nil {
			t.Fatal(err)
		}
		err = complete(object, spec)
		if (err == nil) != (want == nil) {
			t.Errorf("%s: %v", object, err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", object, err, w)
			}
		}
	}
	if _, err := (bpfPlace{loader: bpfobj.New(bpfobj.Options{}), object: "swap/xdp_stamp"}).open(functions[0], order{1, 1, 1}); err == nil || !strings.Contains(err.Error(), "Sources of jit") {
		t.Errorf("open: %v", err)
	}
}
