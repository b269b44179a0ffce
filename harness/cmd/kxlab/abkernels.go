// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// differentKernels returns an error if two names of the command line mean the same kernel, whose column would say nothing. A kernel that
// is not in the cache is fetched.
func (f runFlags) differentKernels(ctx context.Context, jobs [][]job) error {
	if len(jobs) < 2 {
		return nil
	}
	images := map[string]string{}
	for _, on := range jobs {
		name := on[0].kernel
		k, _, err := f.openKernel(ctx, on[0])
		if err != nil {
			return fmt.Errorf("kernel %s: %w", name, err)
		}
		if other, ok := images[k.Image]; ok {
			return usage(fmt.Errorf("--kernel: %s and %s are the same kernel, %s", other, name, k.Release))
		}
		images[k.Image] = name
	}
	return nil
}

// runs opens the runs of the jobs in pairs, A first: one a kernel; of A alone one a kernel but the first, with the first.
func (p *pair) runs(jobs [][]job) (out [][2]*record.Run, err error) {
	var first *record.Run
	for k, on := range jobs {
		var runs []*record.Run
		for _, j := range on {
			r, err := record.Open(j.dir)
			if err != nil {
				return nil, err
			}
			runs = append(runs, r)
		}
		switch {
		case p.single && k == 0:
			first = runs[0]
		case p.single:
			out = append(out, [2]*record.Run{first, runs[0]})
		case len(runs) == 1:
			a, b := verdict.Split(runs[0], p.a.Name, p.b.Name)
			out = append(out, [2]*record.Run{a, b})
		default:
			out = append(out, [2]*record.Run{runs[0], runs[1]})
		}
	}
	return out, nil
}

// sides are the jobs of A and B on kernel i; the same one where one run has both.
func (p *pair) sides(jobs [][]job, i int) [2]*job {
	on := jobs[min(i, len(jobs)-1)]
	return [2]*job{&on[0], &on[len(on)-1]}
}

// kernelNames are the kernels of the jobs by their releases, or, where two builds have the same release, as the user named them.
func (p *pair) kernelNames(jobs [][]job, pairs [][2]*record.Run) (names []string) {
	if p.single {
		names = append(names, pairs[0][0].Env.Kernel)
	}
	for _, runs := range pairs {
		names = append(names, runs[1].Env.Kernel)
	}
	sorted := slices.Sorted(slices.Values(names))
	if len(slices.Compact(sorted)) < len(names) {
		return harness.Map(jobs, func(on []job) string { return on[0].kernel })
	}
	return names
}
