// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

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
	a.Warnings = counted(texts, "sample")
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
	return harness.Map(groups, func(g []string) string { return harness.Plural(len(g), of) + ": " + g[0] })
}

// A Missing is a cell and unit with a value in the old run only.
type Missing struct {
	Cell harness.Cell `json:"-"`
	Name string       `json:"cell"`
	Unit string       `json:"unit"`
	// Outcome is that of the cell in the new run, Where it was decided, and Reason the first line of why. Outcome and Where are
	// empty if the new run does not have the cell.
	Outcome harness.Outcome `json:"outcome,omitempty"`
	Where   string          `json:"where,omitempty"`
	Reason  string          `json:"reason"`
}

// newMissing says why a new run lacks a sample.
func newMissing(s *record.Sample, new *record.Run) Missing {
	m := Missing{Cell: s.Cell, Name: s.Cell.BenchName(), Unit: s.Unit}
	o, ok := new.Outcome(m.Name)
	switch {
	case !ok && !new.Env.Complete:
		m.Reason = "the new run ended before the cell was decided"
	case !ok:
		m.Reason = "the new run does not have the cell"
	case o.Outcome == harness.OutcomeMeasured:
		m.Outcome, m.Reason = o.Outcome, "the cell was measured, but not in this unit"
	default:
		m.Outcome, m.Where = o.Outcome, o.Where
		m.Reason, _, _ = strings.Cut(WithoutVariant(o.Reason, s.Cell.Variant), "\n")
	}
	return m
}

// Why is the outcome and the reason, in one line.
func (m Missing) Why() string {
	if m.Outcome == "" {
		return m.Reason
	}
	return record.CellOutcome{Outcome: m.Outcome, Where: m.Where, Reason: m.Reason}.Brief()
}

func (m Missing) String() string {
	return fmt.Sprintf("%s %s: %s", m.Name, m.Unit, m.Why())
}

// counts reports whether the values of a cell count: not if its outcome is known and is another than measured, as of one that failed at its
// gate under another seed.
func counts(r *record.Run, cell string) bool {
	o, decided := harness.Find(r.Env.Outcomes, func(o record.CellOutcome) bool { return o.Cell == cell })
	return !decided || o.Outcome == harness.OutcomeMeasured
}

// isAA reports whether a cell is the second of an A/A pair: it shows the run's noise only, and does not count as missing.
func isAA(c harness.Cell) bool { return strings.HasSuffix(c.Variant, harness.SuffixAA) }

// Unmeasured lists the cells of a run without a number, a line for each outcome and reason, in which the reason comes before the
// names of several cells, as these may be cut. env.json has each cell, and all lines of the reasons.
func Unmeasured(r *record.Run) []string {
	type lack struct{ cell, variant, workload, brief string }
	all := harness.Map(r.Unmeasured(), func(o record.CellOutcome) lack {
		c, err := record.ParseCell(r.Env.Experiment, o.Cell)
		if err != nil {
			c.Variant, c.Workload = o.Cell, "?"
		}
		o.Reason = WithoutVariant(o.Reason, c.Variant)
		return lack{o.Cell, c.Variant, c.Workload, o.Brief()}
	})
	return harness.Map(harness.GroupBy(all, func(l lack) string { return l.brief }), func(g []lack) string {
		if len(g) == 1 {
			return g[0].cell + ": " + g[0].brief
		}
		list := func(name func(lack) string) string {
			first := func(same []lack) string { return name(same[0]) }
			return strings.Join(harness.Map(harness.GroupBy(g, name), first), ", ")
		}
		return fmt.Sprintf("%d cells: %s: %s in %s", len(g), g[0].brief, list(func(l lack) string { return l.variant }),
			list(func(l lack) string { return l.workload }))
	})
}

// WithoutVariant removes the variant's name from a reason, so that variants with the same reason can be grouped.
func WithoutVariant(reason, variant string) string {
	variant = strings.TrimSuffix(variant, harness.SuffixAA)
	for _, verb := range []string{"put", "load"} {
		reason = strings.TrimPrefix(reason, verb+" variant "+variant+": ")
	}
	return reason
}
