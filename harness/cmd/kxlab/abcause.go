// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/verdict"
)

// writeCause writes the functions that differ in the row of an answer that says most, and what a call of the programs takes: from one more
// guest of each side, on target exact. Where no row differs by as much as counts, it is the row that differs most. It says why if that cannot
// be; the answer stands without. Answers about several kernels, those for programs and those of --watch have none.
func (p *pair) writeCause(ctx context.Context, s streams, f abFlags, answer page.AB, sides [2]*job) error {
	if f.target != harness.TargetExact || f.watch || p.single || len(f.kernels) > 1 || f.format == "json" || f.format == "junit" {
		return nil
	}
	row, shown := answer.CauseRow()
	if !shown {
		var ok bool
		if row, ok = answer.CountedRow(); !ok {
			return nil
		}
	}
	where := row.Cell.At()
	cause := page.Cause{Where: where, Shown: shown, Measured: page.MediansOf(row)}
	sides[1].guests.free = sides[0].guests.free
	var tables [2]profile.Table
	var errs [2]error
	var all sync.WaitGroup
	for i, j := range sides {
		cell := p.cellOf(row, sides, i)
		all.Go(func() { tables[i], errs[i] = j.countFunctions(ctx, f.runFlags, cell, row.Unit) })
	}
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	err := cmp.Or(errs[:]...)
	if shown && errors.Is(err, harness.ErrNotSupported) {
		cause.Sampled = true
		tables, err = p.sampledTables(ctx, f, row, sides)
	}
	if err != nil {
		cause.Note = firstOf(err.Error())
	}
	own := p.functions()
	for a, b := range p.twins() {
		both := a + " | " + b
		tables[0], tables[1], own[both] = tables[0].Rename(a, both), tables[1].Rename(b, both), true
	}
	cause.A, cause.B = tables[0], tables[1]
	cause.Programs = profile.ComparePrograms(tables[0], tables[1], func(name string) bool { return own[name] })
	return page.WriteCause(s.out, cause, f.format)
}

// cellOf is the cell of a row in the run of a side.
func (p *pair) cellOf(row verdict.Row, sides [2]*job, i int) string {
	cell := row.Cell
	if i == 1 && sides[0] == sides[1] {
		cell.Variant = p.b.Name
	}
	return cell.BenchName()
}

// sampledTables are the functions of a row by sampled stacks, from one more guest of each side.
func (p *pair) sampledTables(ctx context.Context, f abFlags, row verdict.Row, sides [2]*job) (tables [2]profile.Table, err error) {
	for i, j := range sides {
		all, errs := j.sampleStacks(ctx, f.runFlags, []string{p.cellOf(row, sides, i)}, func(runner.CountedTrial) string { return "" }) // the answer has the medians
		on, _ := harness.Find(all, func(s profile.Profile) bool { return s.Kind == profile.OnCPU })
		t, ok := on.Table()
		switch {
		case len(all) == 0 && len(errs) > 0:
			return tables, errs[0]
		case !ok || t.Unit != row.Unit:
			return tables, fmt.Errorf("this QEMU cannot count instructions by function, and samples are not of %s; --stacks shows them", row.Unit)
		}
		tables[i] = t
	}
	return tables, nil
}

// functions are the names of all functions of the programs of A and B.
func (p *pair) functions() map[string]bool {
	out := map[string]bool{}
	for _, v := range []harness.Variant{p.a, p.b} {
		spec, err := bpf.Open(v.Object)
		if err != nil {
			continue // the kernel's own
		}
		for _, prog := range spec.Programs {
			for _, ins := range prog.Instructions {
				out[ins.Symbol()] = true
			}
		}
	}
	return out
}

// twins are the names of B's operations of a struct by the names of A's, where they differ.
func (p *pair) twins() map[string]string {
	out := map[string]string{}
	a, err := bpf.Open(p.a.Object)
	if err != nil {
		return nil // the kernel's own
	}
	b, err := bpf.Open(p.b.Object)
	if err != nil {
		return nil
	}
	for name, prog := range a.Programs {
		for other, twin := range b.Programs {
			if name != other && prog.AttachTo != "" && prog.Type == twin.Type && prog.AttachTo == twin.AttachTo {
				out[name] = other
			}
		}
	}
	return out
}

// countFunctions returns the table of a cell and a unit, from one more guest.
func (j *job) countFunctions(ctx context.Context, f runFlags, cell, unit string) (profile.Table, error) {
	tables, err := j.functions(ctx, f, cell)
	if err != nil {
		return profile.Table{}, err
	}
	t, ok := harness.Find(tables, func(t profile.Table) bool { return t.Cell == cell && t.Unit == unit })
	if !ok {
		return t, errors.New("this workload does not say which instructions make " + unit)
	}
	return t, nil
}

// functions are the tables of cells of a run on target exact, from one more guest for each group, as many at a time as other guests.
func (j *job) functions(ctx context.Context, f runFlags, cells ...string) ([]profile.Table, error) {
	jobs, err := runner.CountJobs(j.plan, j.selection, f.seed, j.objects, cells...)
	if err != nil {
		return nil, err
	}
	tables, errs := make([][]profile.Table, len(jobs)), make([]error, len(jobs))
	var all sync.WaitGroup
	for i := range jobs {
		all.Go(func() { tables[i], errs[i] = j.guests.functions(ctx, jobs[i]) })
	}
	all.Wait()
	return slices.Concat(tables...), cmp.Or(errs...)
}

// recordFunctions counts the measured cells of a finished run by function, and records the tables. Without a table, a note says the cause.
func (j *job) recordFunctions(ctx context.Context, s streams, f runFlags, sum runner.Summary, w *record.Writer) error {
	measured := harness.Filter(sum.Outcomes, func(o record.CellOutcome) bool { return o.Outcome == harness.OutcomeMeasured })
	tables, err := j.functions(ctx, f, harness.Map(measured, func(o record.CellOutcome) string { return o.Cell })...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.note("%s: %v", j.plan.Experiment.Name, err)
		err = w.Note("%s", firstOf(err.Error()))
	}
	return errors.Join(err, w.Functions(tables))
}
