// SPDX-License-Identifier: Apache-2.0

// Package prog is the family of programs by themselves: the kernel's test run (BPF_PROG_TEST_RUN) gives a program an input, a packet
// or a context, and no hook, device or traffic is needed.
//
// It owns the types that can be run (kind.go), the call of the kernel (testrun.go), what a run takes (cost.go) and how outputs
// differ (output.go). Folder input reads inputs from files, folder fill what maps hold. It does not decide what is compared.
package prog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/exact"
)

// Family is the family of programs by themselves.
type Family struct{ Loader *bpfobj.Loader }

// MethodRun is the only method: the kernel's test run, attached to nothing.
const MethodRun = "test-run"

// AxisInput is the only axis: an input by its name.
const AxisInput = "input"

// Methods returns the only method.
func (Family) Methods() []string { return []string{MethodRun} }

// Workloads returns the name of the only workload.
func (Family) Workloads() []string { return []string{"run"} }

// Axes returns the only axis.
func (Family) Axes() []string { return []string{AxisInput} }

// A stage holds the members of a group. Each trial loads its program anew.
type stage struct {
	loader  *bpfobj.Loader
	members []harness.Member
	data    Data
	place   *place
	absent  map[string]error
	quiet   func()
}

// Prepare loads each member once, to see that it can be loaded.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	s := &stage{loader: f.Loader, members: g.Members, absent: map[string]error{}}
	var err error
	if s.data, err = decodeData(g.Data); err != nil {
		return nil, err
	}
	if s.place, err = openPlace(); err != nil {
		return nil, err
	}
	for _, m := range g.Members {
		err := s.place.do(func() error {
			p, err := s.load(m.Variant)
			if err != nil {
				return harness.SetupError(err)
			}
			return p.Close()
		})
		if err != nil {
			s.absent[m.Name] = err
		}
	}
	return s, nil
}

// Absent gives the errors of members that could not be loaded.
func (s *stage) Absent() map[string]error { return s.absent }

// Check runs all inputs in order on a program just loaded: the kernel must take each.
func (s *stage) Check(_ context.Context, member string) error {
	return s.on(member, func(p *program) error {
		inputs := s.inputs(p.kind)
		if err := CheckInputs(p.kind, inputs); err != nil {
			return err
		}
		_, err := outputs(p.Program, p.kind, inputs)
		return err
	})
}

func (s *stage) inputs(k Kind) []Input {
	if len(s.data.Inputs) > 0 {
		return s.data.Inputs
	}
	return DefaultInputs(k)
}

// on calls f on the place's thread with a member's program, just loaded.
func (s *stage) on(member string, f func(*program) error) error {
	m, ok := harness.Find(s.members, func(m harness.Member) bool { return m.Name == member })
	if !ok {
		return fmt.Errorf("no member %q in this group", member)
	}
	return s.place.do(func() (err error) {
		p, err := s.load(m.Variant)
		if err != nil {
			return harness.SetupError(err)
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		return f(p)
	})
}

// Measure loads the member's program, runs the inputs in order up to that of the cell, whose output it records, and then measures
// what a run on that input takes.
func (s *stage) Measure(ctx context.Context, c harness.Cell, b harness.Budget) (r harness.Result, err error) {
	if b.Exact {
		defer exact.Quiet()()
	}
	err = s.on(c.Variant, func(p *program) error {
		inputs := s.inputs(p.kind)
		at := slices.IndexFunc(inputs, func(in Input) bool { return in.Name == c.Axis(AxisInput) })
		if at < 0 {
			return harness.SetupError(harness.Known("input", c.Axis(AxisInput), harness.Map(inputs, func(in Input) string { return in.Name })))
		}
		out, err := outputs(p.Program, p.kind, inputs[:at+1])
		if err != nil {
			return err
		}
		n := turns
		if b.Exact {
			n = turnsExact
		}
		took, err := measure(ctx, p, inputs[at], b, n)
		if err != nil {
			return err
		}
		sizes, err := p.Programs()
		if err != nil {
			return err
		}
		r = result(out, took, sizes, b.Exact)
		return nil
	})
	return r, err
}

func result(out Output, took cost, sizes []bpfobj.Program, exact bool) (r harness.Result) {
	r.Iterations, r.Measured = int64(took.runs*took.turns), took.total
	r.Series = append(r.Series, out.Series())
	for _, p := range sizes {
		r.Series = append(r.Series, Size{p.Name, p.Verified, p.Native}.Series())
	}
	mode := "repeated in a call"
	if took.single {
		mode = "one run a call"
	}
	unit, value := "cpu-ns/run", took.run
	if exact {
		unit, value = "insn/run", math.Round(took.run) // what the kernel does beside, in the median turn, is less than half of one
	}
	r.Series = append(r.Series, harness.Series{Name: "loop", Unit: unit, Y: []float64{took.own}, Notes: mode})
	r.Metrics = []harness.Metric{{Unit: unit, Value: value}}
	return r
}

// Close ends the place.
func (s *stage) Close() error {
	s.place.close()
	return nil
}
