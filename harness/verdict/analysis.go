// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/stats"
)

// An Analysis is what a run says, read once: its samples with their summaries, its own noise, and what it means for claims,
// scores and ports. Pages, comparisons and the command line read it; nothing in it changes afterwards.
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
	Warnings     []string // what benchmath says of the samples, each text once with the number of samples

	summaries map[*record.Sample]stats.Summary
	at        map[sampleID]*record.Sample
}

// A sampleID names a sample.
type sampleID struct{ cell, unit string }

func idOf(s *record.Sample) sampleID { return sampleID{s.Cell.BenchName(), s.Unit} }

// Analyze reads a run.
func Analyze(r *record.Run) *Analysis {
	a := &Analysis{Run: r, ID: identityOf(r), Samples: r.Samples(), Unmeasured: Unmeasured(r),
		summaries: map[*record.Sample]stats.Summary{}, at: map[sampleID]*record.Sample{}}
	var said tally
	for _, s := range a.Samples {
		a.summaries[s] = stats.Summarize(s.Values)
		a.at[idOf(s)] = s
		said.add(a.summaries[s].Warnings)
	}
	a.Warnings = said.lines("samples")
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
	var out []string
	for _, s := range a.Samples {
		out = append(out, s.Cell.Workload)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A tally counts texts in the order in which they were first said.
type tally struct {
	order []string
	count map[string]int
}

func (t *tally) add(texts []string) {
	for _, text := range texts {
		if t.count == nil {
			t.count = map[string]int{}
		}
		if t.count[text]++; t.count[text] == 1 {
			t.order = append(t.order, text)
		}
	}
}

// lines are the texts with how many of what said them.
func (t *tally) lines(of string) []string {
	var out []string
	for _, text := range t.order {
		out = append(out, fmt.Sprintf("%d %s: %s", t.count[text], of, text))
	}
	return out
}
