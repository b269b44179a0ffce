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

// equivalence measures the figures that compare a port with its original: first a flow of the variant alone, with its
// window over time; then a flow that competes with a flow of the original (for an original: of the same algorithm).
// All variants get the same seeds, so reports pair their trials.
func (s *stage) equivalence(ctx context.Context, m *member, c harness.Cell, b harness.Budget) (harness.Result, error) {
	r, err := newRun(c, b)
	if err != nil {
		return harness.Result{}, err
	}
	r.add(s, m.name, 1, 0)
	report, cost, err := s.runCounted(ctx, r, b)
	if err != nil {
		return harness.Result{}, err
	}
	res := r.result(report)
	if res.Invalid != "" {
		return res, nil
	}
	report = report.After(r.warm)
	res.Metrics = append(flowMetrics(report, report.Flows), cost...)

	original := cmp.Or(m.original, strings.TrimSuffix(m.name, harness.SuffixAA))
	if why, ok := s.absent[original]; ok {
		return harness.Result{}, fmt.Errorf("start a flow of the original %s: %w", original, why)
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
	if j := versus.result(both); j.Invalid != "" {
		res.Invalid = "beside " + original + ": " + j.Invalid
		return res, nil
	}
	life, _ := both.After(versus.warm).Fairness()
	res.Metrics = append(res.Metrics, harness.Metric{Unit: "versus-jain-share", Value: life})
	res.Measured += both.Elapsed
	return res, nil
}

// pathMarks is true if a cell's path may mark packets (ECN) instead of dropping them.
func pathMarks(c harness.Cell) bool {
	aqm := c.Axis("aqm")
	return aqm != "" && aqm != netlab.AQMNone
}
