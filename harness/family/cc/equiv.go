// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/tcp"
)

// equivalence measures the figures that compare a port with its original: first a flow of the variant alone, with its
// window over time; then a flow that competes with a flow of the original (for an original: of the same algorithm).
// All variants get the same seeds, so reports pair their trials.
func (s *stage) equivalence(ctx context.Context, r *bulkRun) (harness.Result, error) {
	versus := *r
	r.add(s, r.member.name, 1, 0)
	r.count()
	res, err := r.measure(ctx, s, func(report *tcp.BulkReport, res *harness.Result) {
		report = report.After(r.warm)
		res.Metrics = append(flowMetrics(report, report.Flows), r.cost...)
	})
	if err != nil || res.Invalid != "" {
		return res, err
	}

	original := cmp.Or(r.member.original, strings.TrimSuffix(r.member.name, harness.SuffixAA))
	if why, ok := s.absent[original]; ok {
		return harness.Result{}, fmt.Errorf("start a flow of the original %s: %w", original, why)
	}
	versus.path.Seed++
	versus.add(s, r.member.name, 1, 0)
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
