// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// CountJobs are the jobs of guests, one for each group, that make one more trial of some cells of a plan, in which instructions are
// counted by address. No gate is checked: the plan's own run has done that. An unknown cell is an error.
func CountJobs(p *Plan, sel Selection, seed uint64, objects map[string][]byte, cells ...string) (out []Job, err error) {
	left := slices.Clone(cells)
	for _, g := range p.Groups {
		j := Job{Experiment: p.Experiment, Selection: sel, Seed: seed, Objects: objects, Together: true, Work: WorkTrials}
		for _, c := range g.cells() {
			if name := c.BenchName(); slices.Contains(cells, name) {
				j.Counted = append(j.Counted, Mark{Cell: name})
				left = slices.DeleteFunc(left, func(l string) bool { return l == name })
			}
		}
		if len(j.Counted) > 0 {
			out = append(out, j)
		}
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("count instructions: no cell %s", left[0])
	}
	return out, nil
}

// StackJobs are like CountJobs, but stacks are sampled in their trials, on any target.
func StackJobs(p *Plan, sel Selection, seed uint64, objects map[string][]byte, cells ...string) ([]Job, error) {
	jobs, err := CountJobs(p, sel, seed, objects, cells...)
	for i := range jobs {
		jobs[i].Stacks = true
	}
	return jobs, err
}

// A Recording samples stacks while a trial is made. Close ends it and returns what was sampled.
type Recording interface {
	harness.Sampler
	Close() (harness.Stacks, error)
}

// An OpenSampler begins a Recording. Its error wraps harness.ErrNotSupported if stacks cannot be sampled here.
type OpenSampler func(exact bool) (Recording, error)

// A CountedTrial is an attempt at a trial of one of CountJobs or StackJobs.
type CountedTrial struct {
	Cell    string
	Counted *harness.Counted // nil: nothing was counted
	Result  harness.Result   // what was measured, stacks included
	Invalid string           // why the attempt does not count
}

// ReadCounted reads the report of a job of CountJobs or StackJobs: its attempts, in their order.
func ReadCounted(report []byte) (out []CountedTrial, err error) {
	d := json.NewDecoder(bytes.NewReader(report))
	ended := false
	for {
		var e event
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read report of guest: %w", err)
		}
		now := len(out) - 1
		switch {
		case e.Begin != nil:
			out = append(out, CountedTrial{Cell: e.Begin.Cell})
		case e.End != nil && e.End.Error != "":
			return nil, errors.New(e.End.Error)
		case e.End != nil:
			ended = true
		case now < 0:
		case e.Trial != nil:
			out[now].Result, out[now].Counted = e.Trial.Result, e.Trial.Result.Counted
		case e.Reject != nil:
			out[now].Result, out[now].Counted, out[now].Invalid = e.Reject.Trial.Result, e.Reject.Trial.Result.Counted, e.Reject.Reason
		case e.Outcome != nil && e.Outcome.Cell == out[now].Cell:
			out[now].Invalid = e.Outcome.Reason
		}
	}
	if !ended {
		return nil, errors.New("the guest exited without a final report")
	}
	return out, nil
}
