// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/verdict"
)

// shareOf is a run's summary in one line.
func shareOf(sum runner.Summary, target string) string {
	var cells []string
	for _, o := range harness.Outcomes() {
		if n := sum.Count(o); n > 0 {
			cells = append(cells, fmt.Sprintf("%d %s", n, o))
		}
	}
	if len(cells) == 0 {
		cells = []string{"none decided"}
	}
	spent := fmt.Sprintf("%.0f %% of %v spent measuring", 100*sum.Share(), sum.Wall.Round(time.Second))
	if target == harness.TargetExact { // measured in the guests' own time, which is no part of this machine's
		spent = fmt.Sprintf("%v of the guests' time measured in %v", sum.Measured.Round(time.Second), sum.Wall.Round(time.Second))
	}
	return fmt.Sprintf("%d of %s valid, %s rejected; cells: %s; %s",
		sum.Valid, harness.Plural(sum.Planned, "trial"), harness.Plural(sum.Rejected, "attempt"), strings.Join(cells, ", "), spent)
}

// wrongError names the failed and invalid cells with their reasons: a failed variant once, each invalid cell by itself. It is nil if
// there is none.
func wrongError(j job, sum runner.Summary) error {
	wrong := sum.Wrong()
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("experiment %s: %d of %s without a number, the reasons are in %s:\n%s", j.plan.Experiment.Name,
		len(wrong), harness.Plural(len(sum.Outcomes), "cell"), filepath.Join(j.dir, record.EnvFile), strings.Join(nameOutcomes(j, wrong, true), "\n"))
}

// lackingError lists what this machine or kernel lacks, for a run without a supported cell.
func lackingError(j job, sum runner.Summary) error {
	lines := append([]string{fmt.Sprintf("experiment %s: nothing could run here, the reasons are in %s:",
		j.plan.Experiment.Name, filepath.Join(j.dir, record.EnvFile))}, nameOutcomes(j, sum.Outcomes, false)...)
	return errors.New(strings.Join(lines, "\n"))
}

// maxReason is how many lines of a reason are shown after its first: a verifier's log, a console's part, the begin of a dump.
const maxReason = 30

// firstLines are the first lines of a text, and how many are left out.
func firstLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	if len(lines) <= n {
		return text
	}
	return strings.Join(lines[:n], "\n") + fmt.Sprintf("\n… (%s more there)", harness.Plural(len(lines)-n, "line"))
}

// nameOutcomes makes an entry for each variant, or each invalid cell, indented. whole gives all lines of the reasons.
func nameOutcomes(j job, cells []record.CellOutcome, whole bool) (out []string) {
	seen := map[string]bool{}
	for _, o := range cells {
		name := rename(o.Cell, j.names)
		if c, err := record.ParseCell(j.plan.Experiment.Name, o.Cell); err == nil {
			o.Reason = rename(verdict.WithoutVariant(o.Reason, c.Variant), j.names)
			if o.Outcome != harness.OutcomeInvalid {
				name = strings.TrimSuffix(c.Variant, harness.SuffixAA)
				name = cmp.Or(j.names[name], name)
			}
			if side := j.sides[c.Variant]; side != "" {
				name = side + ", " + name
			}
		}
		key := name + " " + string(o.Outcome) + o.Where
		if seen[key] {
			continue
		}
		seen[key] = true
		reason := o.Brief()
		if _, rest, more := strings.Cut(o.Reason, "\n"); more && whole {
			reason += "\n" + firstLines(rest, maxReason)
		}
		out = append(out, "  "+name+": "+strings.ReplaceAll(reason, "\n", "\n    "))
	}
	return out
}
