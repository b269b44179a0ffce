// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/unit"
)

// mostTrialRows is how many rows of trials a page has. bench.txt has all.
const mostTrialRows = 1200

// workloadTrials are the trials of a workload: a row for each cell and unit, a value for each repeat.
type workloadTrials struct {
	Name string
	Rows []trialRow
}

type trialRow struct {
	ID             string // of the first row of a cell
	Variant, Where string
	Unit, Values   string
}

// trialsOf are the trials by workload, the names by which a page refers to cells, and how many rows are left out.
func trialsOf(b board) (out []workloadTrials, ids map[string]string, omitted int) {
	ids = map[string]string{}
	rows := 0
	for _, own := range harness.GroupBy(b.a.Samples, func(s *record.Sample) string { return s.Cell.Workload }) {
		t := workloadTrials{Name: own[0].Cell.Workload}
		for _, s := range own {
			if rows++; rows > mostTrialRows {
				omitted++
				continue
			}
			name := s.Cell.BenchName()
			r := trialRow{Variant: s.Cell.Variant, Where: cellOf(s)}
			if ids[name] == "" {
				ids[name] = fmt.Sprintf("t%d", len(ids)+1)
				r.ID = ids[name]
			}
			scale := unit.ScaleFor(s.Unit, s.Values)
			r.Unit = scale.Unit
			if strings.HasSuffix(s.Unit, "share") {
				r.Unit = s.Unit + " in %"
			}
			r.Values = strings.Join(harness.Map(s.Values, scale.Format), "  ")
			if s.Beyond > 0 {
				r.Values += fmt.Sprintf(" (%d of them are bounds)", s.Beyond)
			}
			t.Rows = append(t.Rows, r)
		}
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	return out, ids, omitted
}
