// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/source"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

const bisectLong = `bisect finds the commit that moved a figure of a BPF program: it compiles PROGRAM at commits between GOOD and BAD, measures it on
target exact as ab does, and halves the range until one commit is left. It ends with the functions that changed there. GOOD and BAD
are revisions of the repository that one stands in; of a merge the first side is searched. A commit whose program is the same code
as GOOD's is not measured, and one that cannot be compiled, or fails its gate, is passed over.

The figure is the one that differs most between GOOD and BAD; --cell chooses another by words of its cell and unit.

With several kernels and no revisions, bisect finds the first of them, in the order given, on which the figure moved.

A figure has moved where it is at least half as far from GOOD's as BAD's is. If it moved in several steps, bisect finds one of them, and says
where the figure stood at each place that it measured.

As a step of git bisect run: kxlab ab GOOD:PROGRAM PROGRAM --bisect-run, whose exit code 125 passes over what cannot be compiled.`

// bisectRepeats is how many seeds a trial has unless the user says: what is sought was seen at both ends.
const bisectRepeats = 2

func newBisect(s streams, words experiments.Vocabulary) *cobra.Command {
	f := abFlags{runFlags: runFlags{snapshots: true}}
	var cell string
	cmd := &cobra.Command{
		Use: "bisect [GOOD BAD] PROGRAM", Short: "Find the commit, or the kernel, that moved a figure of a program", Long: bisectLong, Args: cobra.RangeArgs(1, 3),
		Example: `  kxlab bisect v1.0 HEAD mine.bpf.c
  kxlab bisect HEAD~64 HEAD bpf/lb/xdp_dsr.bpf.c --cell 'flows=4096 insn/pkt'
  kxlab bisect HEAD~20 HEAD mine.bpf.c --like prog --input traffic.pcap
  kxlab bisect mine.bpf.c --kernel 6.1,6.12,7.2`,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			f.narrow = !slices.ContainsFunc([]string{"workload", "axis", "profile"}, cmd.Flags().Changed)
			return bisect(cmd.Context(), s, words, f, args, strings.Fields(cell))
		}),
	}
	f.addABTo(cmd.Flags())
	for _, name := range []string{"out", "stacks", "with"} { // refused by check
		_ = cmd.Flags().MarkHidden(name)
	}
	cmd.Flags().StringVar(&cell, "cell", "", "the figure that is sought, by words of its cell and unit, as in ab's tables: 'flows=4096 insn/pkt'")
	return cmd
}

// A bisection looks for the first of several places at which a figure has moved. It has not moved at the first, and has at the last.
type bisection struct {
	places int
	whole  float64                      // by how much it moved at the last, a share
	by     func(i int) (float64, error) // the same of a place; an error passes the place over
	moves  map[int]float64              // of the places that were measured
	passed map[int]error                // places that could not be
}

// run returns the last place known to be before the move and the first known to be behind it. Places between both were passed over. A figure
// has moved where it is at least half of the whole way from where it was, in either direction.
func (b *bisection) run(ctx context.Context) (before, behind int, err error) {
	before, behind = 0, b.places-1
	b.moves, b.passed = map[int]float64{before: 0, behind: b.whole}, map[int]error{}
	for {
		i, ok := b.middle(before, behind)
		if !ok {
			return before, behind, nil
		}
		by, err := b.by(i)
		switch {
		case ctx.Err() != nil:
			return before, behind, ctx.Err()
		case err != nil:
			b.passed[i] = err
			continue
		case math.Abs(by) >= math.Abs(b.whole)/2:
			behind = i
		default:
			before = i
		}
		b.moves[i] = by
	}
}

// step is by how much the figure moved from one measured place to another.
func (b *bisection) step(before, behind int) float64 {
	return (1+b.moves[behind])/(1+b.moves[before]) - 1
}

// mostRest is how much of the whole way may lie elsewhere than in the step that was found.
const mostRest = 0.1

// rest says what the step that was found leaves open: where the figure stood at each place that was measured, if the step is not the whole way.
// "" if it is.
func (b *bisection) rest(before, behind int, name func(int) string) string {
	if math.Abs(b.step(before, behind)-b.whole) <= mostRest*math.Abs(b.whole) {
		return ""
	}
	at := harness.Map(slices.Sorted(maps.Keys(b.moves))[1:], func(i int) string { return unit.Percent(b.moves[i], true) + " at " + name(i) })
	return "That step is not the whole way, so there are others. Against the first: " + strings.Join(at, ", ") + "."
}

// middle is the place nearest to the middle of a range that was not passed over; false if there is none.
func (b *bisection) middle(before, behind int) (int, bool) {
	mid := (before + behind) / 2
	for d := range behind - before {
		for _, i := range []int{mid + d, mid - d} {
			if i > before && i < behind && b.passed[i] == nil {
				return i, true
			}
		}
	}
	return 0, false
}

// A search is a bisection of programs or kernels.
type search struct {
	s      streams
	words  experiments.Vocabulary
	f      abFlags
	dir    string // of the runs
	effect float64
	runs   int
}

// difference measures B against A, or A on the second kernel against the first; nil if both are the same code.
func (b *search) difference(ctx context.Context, args []string, kernels []string) (*verdict.Comparison, error) {
	f := b.f
	f.kernels = kernels
	p, err := openArgs(ctx, b.words, f, args)
	if err != nil {
		return nil, err
	}
	if _, same := p.sameCode(f.progFlags); same {
		return nil, nil
	}
	f.narrowTo(p)
	b.runs++
	f.out = fmt.Sprintf("%s/%d", b.dir, b.runs)
	jobs, err := f.jobs(p, b.words)
	if err != nil {
		return nil, err
	}
	if err := checkPrograms(ctx, slices.Concat(jobs...), f.runFlags); err != nil {
		return nil, err
	}
	effect, quiet := b.effect, b.s
	quiet.quiet = true
	if wrong, err := p.measure(ctx, quiet, f, jobs, &effect); err != nil || wrong != nil {
		return nil, cmp.Or(err, wrong)
	}
	pairs, err := p.runs(jobs)
	if err != nil {
		return nil, err
	}
	if err := p.progAnswer(&page.AB{}, f.progFlags, pairs[0][0], pairs[0][1]); err != nil {
		return nil, err
	}
	return verdict.Compare(pairs[0][0], pairs[0][1], verdict.CompareOptions{MinEffect: effect, Kernels: p.single, AllowMissing: true})
}

// by measures a place of a bisection: by how much the figure of a row differs there. The outcome is noted behind the place's name.
func (b *search) by(ctx context.Context, row verdict.Row, name string, args, kernels []string) (float64, error) {
	c, err := b.difference(ctx, args, kernels)
	by := 0.0
	if err == nil {
		by, err = movedBy(c, figure(row))
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		b.s.note("%s: passed over: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	case c == nil:
		b.s.note("%s: the same code", name)
	default:
		b.s.note("%s: %s", name, unit.Percent(by, true))
	}
	return by, err
}

// figure is what a row of a comparison is about, whatever its programs are called.
func figure(r verdict.Row) string { return r.Cell.At() + " " + r.Unit }

// sought is the row that is looked for: of those with all words, the one that moved most, those in instructions first.
func sought(c *verdict.Comparison, words []string) (verdict.Row, error) {
	rows := harness.Filter(c.Rows, func(r verdict.Row) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(figure(r), w) })
	})
	if len(rows) == 0 {
		return verdict.Row{}, usage(fmt.Errorf("--cell: no row has these words; there are:\n  %s", strings.Join(harness.Map(c.Rows, figure), "\n  ")))
	}
	decided := harness.Filter(rows, func(r verdict.Row) bool {
		return r.Verdict == verdict.Better || r.Verdict == verdict.Worse || r.Verdict == verdict.Differs
	})
	if len(decided) == 0 {
		return verdict.Row{}, nil
	}
	return slices.MaxFunc(decided, func(x, y verdict.Row) int {
		counts := func(r verdict.Row) int { return map[bool]int{true: 1}[strings.HasPrefix(r.Unit, "insn/")] }
		return cmp.Or(cmp.Compare(counts(x), counts(y)), cmp.Compare(math.Abs(x.Delta), math.Abs(y.Delta)), cmp.Compare(figure(y), figure(x)))
	}), nil
}

// movedBy is by how much a comparison says that a figure moved.
func movedBy(c *verdict.Comparison, name string) (float64, error) {
	if c == nil {
		return 0, nil
	}
	r, ok := harness.Find(c.Rows, func(r verdict.Row) bool { return figure(r) == name })
	if !ok {
		return 0, fmt.Errorf("%s was not measured", name)
	}
	return r.Delta, nil
}

func bisect(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, args, cell []string) error {
	b := search{s: s, words: words, f: f}
	if err := b.check(args); err != nil {
		return usage(err)
	}
	if b.f.repeat == 0 {
		b.f.repeat = bisectRepeats
	}
	if f.minEffect != "" {
		var err error
		if b.effect, err = share(f.minEffect); err != nil {
			return usage(fmt.Errorf("--min-effect: %w", err))
		}
	}
	var err error
	if b.dir, err = owner.TempDir("bisect"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if len(args) == 1 {
		return b.kernels(ctx, args[0], cell)
	}
	return b.commits(ctx, args[0], args[1], args[2], cell)
}

// check returns an error for arguments that do not fit together.
func (b *search) check(args []string) error {
	switch n := len(b.f.kernels); {
	case b.f.out != "" || b.f.stacks || len(b.f.with) > 0:
		return errors.New("bisect keeps no run directory, samples no stacks and takes no folders (--out, --stacks, --with): ask kxlab ab about the commit that it finds")
	case b.f.target != harness.TargetExact:
		return errors.New("bisect measures on target exact: a figure of one commit has to be comparable with that of another")
	case len(args) == 2:
		return errors.New("bisect takes GOOD, BAD and PROGRAM, or PROGRAM alone with several kernels (--kernel A,B,C)")
	case len(args) == 1 && n < 2:
		return errors.New("with PROGRAM alone, bisect looks for a kernel: name at least two (--kernel 6.12,7.2), or name GOOD and BAD revisions")
	case len(args) == 3 && n > 1:
		return errors.New("bisect of commits runs on one kernel (--kernel)")
	}
	return b.f.check()
}

// commits looks for a commit.
func (b *search) commits(ctx context.Context, good, bad, program string, cell []string) error {
	if !source.Is(program) {
		return usage(fmt.Errorf("%s is no source or object: bisect compiles a program at each commit", program))
	}
	line, err := source.Between(ctx, ".", good, bad)
	if err != nil {
		return usage(err)
	}
	at := func(i int) string { return line[i].Hash[:12] + ":" + program }
	whole, err := b.difference(ctx, []string{at(0), at(len(line) - 1)}, b.f.kernels)
	if err != nil {
		return fmt.Errorf("%s against %s: %w", bad, good, err)
	}
	if whole == nil {
		return fmt.Errorf("%s is the same code at %s and at %s: no commit between moved it", program, good, bad)
	}
	row, err := sought(whole, cell)
	if err != nil {
		return err
	}
	if row.Unit == "" {
		return fmt.Errorf("no difference is shown between %s and %s, so no commit is sought: %s", good, bad, whole.Summary())
	}
	b.s.note("%s: %s from %s to %s; %s between them", figure(row), unit.Percent(row.Delta, true), good, bad, harness.Plural(len(line)-1, "commit"))
	name := func(i int) string { return line[i].Hash[:10] + " " + line[i].Subject }
	search := bisection{places: len(line), whole: row.Delta, by: func(i int) (float64, error) {
		return b.by(ctx, row, name(i), []string{at(0), at(i)}, b.f.kernels)
	}}
	before, behind, err := search.run(ctx)
	if err != nil {
		return err
	}
	c := line[behind]
	text := fmt.Sprintf("%s %s (%s)", c.Hash, c.Subject, c.Time.Format("2006-01-02"))
	if between := behind - before - 1; between > 0 {
		text = fmt.Sprintf("one of %d commits up to %s, of which the %d before it could not be measured,", between+1, text, between)
	}
	err = b.s.say("%s moved %s: %s. From %s to %s it is %s. Of %s %d were measured, GOOD and BAD among them.\n%s\n", text, figure(row),
		unit.Percent(search.step(before, behind), true), good, bad, unit.Percent(row.Delta, true), harness.Plural(len(line), "commit"), b.runs+1,
		strings.TrimPrefix(search.rest(before, behind, name)+"\n", "\n"))
	if err != nil {
		return err
	}
	last, quiet := b.f, b.s
	last.out, last.format = b.dir+"/last", "text"
	quiet.quiet = true // the notes name folders that are removed
	return ab(ctx, quiet, b.words, last, []string{at(before), at(behind)})
}

// kernels looks for a kernel.
func (b *search) kernels(ctx context.Context, program string, cell []string) error {
	all := b.f.kernels
	whole, err := b.difference(ctx, []string{program}, []string{all[0], all[len(all)-1]})
	if err != nil {
		return err
	}
	row, err := sought(whole, cell)
	if err != nil {
		return err
	}
	if row.Unit == "" {
		return fmt.Errorf("no difference is shown between kernels %s and %s: %s", all[0], all[len(all)-1], whole.Summary())
	}
	b.s.note("%s: %s from %s to %s", figure(row), unit.Percent(row.Delta, true), all[0], all[len(all)-1])
	search := bisection{places: len(all), whole: row.Delta, by: func(i int) (float64, error) {
		return b.by(ctx, row, "kernel "+all[i], []string{program}, []string{all[0], all[i]})
	}}
	before, behind, err := search.run(ctx)
	if err != nil {
		return err
	}
	between := ""
	if behind-before > 1 {
		between = fmt.Sprintf(" (those between, %s, could not be measured)", strings.Join(all[before+1:behind], ", "))
	}
	rest := search.rest(before, behind, func(i int) string { return all[i] })
	return b.s.say("Kernel %s is the first measured on which %s moved, after %s%s: %s. From %s to %s it is %s.\n%s", all[behind], figure(row), all[before], between,
		unit.Percent(search.step(before, behind), true), all[0], all[len(all)-1], unit.Percent(row.Delta, true), strings.TrimPrefix(rest+"\n", "\n"))
}
