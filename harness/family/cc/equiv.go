// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// equivalence measures what a port is held against its original by: first a flow of the variant alone, with its window over
// time; then one beside a flow of the original (or, for an original, of its own kind), which shows whether both are equally
// strong. All variants see the same seeds, so reports pair their trials.
func (s *stage) equivalence(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	r.add(s, m.name, 1, 0)
	report, cost, err := s.counted(ctx, r, b)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.judged(report)
	if res.Invalid != "" {
		return res, nil
	}
	report = report.After(r.warm)
	res.Metrics = append(take(report, report.Flows), cost...)

	original := cmp.Or(m.original, strings.TrimSuffix(m.name, harness.SuffixAA))
	if why, ok := s.absent[original]; ok {
		return harness.Result{}, fmt.Errorf("its original %s is not there: %w", original, why)
	}
	versus, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	versus.path.Seed++
	versus.add(s, m.name, 1, 0)
	versus.add(s, original, 1, 0)
	both, err := versus.run(ctx, s)
	if err != nil {
		return harness.Result{}, err
	}
	if j := versus.judged(both); j.Invalid != "" {
		res.Invalid = "beside " + original + ": " + j.Invalid
		return res, nil
	}
	life, _ := both.After(versus.warm).Fairness()
	res.Metrics = append(res.Metrics, harness.Metric{Unit: "versus-jain-share", Value: life})
	res.Measured += both.Elapsed
	return res, nil
}

// marks says that a cell's path may mark packets rather than drop them.
func marks(c harness.Cell) bool {
	aqm := c.Axis("aqm")
	return aqm != "" && aqm != netlab.AQMNone
}
