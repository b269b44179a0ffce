// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// An Analysis holds what is computed from one run: samples with their summaries, A/A noise, and the verdicts on claims, scores,
// laws and ports. Nothing in it changes after Analyze.
type Analysis struct {
	Run          *record.Run
	ID           Identity
	Samples      []*record.Sample // one for each cell and unit, in the order of the run
	Noise        []Noise          // of the A/A pairs
	Findings     []Finding
	Scores       []ScoreResult
	Equivalences []Equivalence
	Laws         []LawResult
	Unmeasured   []string // cells without a number, a line for each outcome and reason
	Warnings     []string // of benchmath about the samples, each text once with the number of samples

	summaries map[*record.Sample]stats.Summary
	at        map[sampleID]*record.Sample
}

// A sampleID names a sample.
type sampleID struct{ cell, unit string }

func idOf(s *record.Sample) sampleID { return sampleID{s.Cell.BenchName(), s.Unit} }

// Analyze computes the analysis of a run.
func Analyze(r *record.Run) *Analysis {
	a := &Analysis{Run: r, ID: identityOf(r), Samples: r.Samples(), Unmeasured: Unmeasured(r),
		summaries: map[*record.Sample]stats.Summary{}, at: map[sampleID]*record.Sample{}}
	var texts []string
	for _, s := range a.Samples {
		a.summaries[s], a.at[idOf(s)] = stats.Summarize(s.Values), s
		texts = append(texts, a.summaries[s].Warnings...)
	}
	a.Warnings = counted(texts, "samples")
	a.Noise = a.noise()
	a.Findings = a.findings()
	a.Scores = a.scores()
	a.Laws = a.laws()
	a.Equivalences = a.equivalences()
	return a
}

// Summary is the summary of one of the run's samples.
func (a *Analysis) Summary(s *record.Sample) stats.Summary { return a.summaries[s] }

// workloads are those that the run measured, sorted.
func (a *Analysis) workloads() []string {
	out := harness.Map(a.Samples, func(s *record.Sample) string { return s.Cell.Workload })
	slices.Sort(out)
	return slices.Compact(out)
}

// counted makes a line for each different text, with the number of times that it occurs.
func counted(texts []string, of string) []string {
	groups := harness.GroupBy(texts, func(text string) string { return text })
	return harness.Map(groups, func(g []string) string { return fmt.Sprintf("%d %s: %s", len(g), of, g[0]) })
}
