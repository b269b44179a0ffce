// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
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

As a step of git bisect run: kxlab ab GOOD:PROGRAM PROGRAM --gate exits with 3 where the program is worse.`

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
	cmd.Flags().StringVar(&cell, "cell", "", "the figure that is sought, by words of its cell and unit, as in ab's tables: 'flows=4096 insn/pkt'")
	return cmd
}

// A bisection looks for the first of several places at which a figure has moved. It has not moved at the first, and has at the last.
type bisection struct {
	places  int
	moved   func(i int) (bool, error) // of a place; an error passes the place over
	skipped map[int]error
}

// run returns the last place known to be before the move and the first known to be behind it. Places between both were passed over.
func (b *bisection) run(ctx context.Context) (before, behind int, err error) {
	before, behind, b.skipped = 0, b.places-1, map[int]error{}
	for {
		i, ok := b.middle(before, behind)
		if !ok {
			return before, behind, nil
		}
		moved, err := b.moved(i)
		switch {
		case ctx.Err() != nil:
			return before, behind, ctx.Err()
		case err != nil:
			b.skipped[i] = err
		case moved:
			behind = i
		default:
			before = i
		}
	}
}

// middle is the place nearest to the middle of a range that was not passed over; false if there is none.
func (b *bisection) middle(before, behind int) (int, bool) {
	mid := (before + behind) / 2
	for d := range behind - before {
		for _, i := range []int{mid + d, mid - d} {
			if i > before && i < behind && b.skipped[i] == nil {
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
	return verdict.Compare(pairs[0][0], pairs[0][1], verdict.CompareOptions{MinEffect: effect, Kernels: p.single, AllowMissing: true})
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

// behindHalf reports whether a figure has moved by at least half of the whole way.
func behindHalf(by, whole float64) bool { return by*whole > 0 && math.Abs(by) >= math.Abs(whole)/2 }

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
	search := bisection{places: len(line), moved: func(i int) (bool, error) {
		c, err := b.difference(ctx, []string{at(0), at(i)}, b.f.kernels)
		by := 0.0
		if err == nil {
			by, err = movedBy(c, figure(row))
		}
		switch name := line[i].Hash[:10] + " " + line[i].Subject; {
		case err != nil:
			b.s.note("%s: passed over: %s", name, firstOf(err.Error()))
		case c == nil:
			b.s.note("%s: the code of %s", name, good)
		default:
			b.s.note("%s: %s", name, unit.Percent(by, true))
		}
		return behindHalf(by, row.Delta), err
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
	err = b.s.say("%s moved %s. From %s to %s it is %s. Of %s %d were measured, GOOD and BAD among them.\n\n", text, figure(row), good, bad, unit.Percent(row.Delta, true),
		harness.Plural(len(line), "commit"), b.runs+1)
	if err != nil {
		return err
	}
	last := b.f
	last.out, last.format = b.dir+"/last", "text"
	return ab(ctx, b.s, b.words, last, []string{at(before), at(behind)})
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
	search := bisection{places: len(all), moved: func(i int) (bool, error) {
		c, err := b.difference(ctx, []string{program}, []string{all[0], all[i]})
		by := 0.0
		if err == nil {
			by, err = movedBy(c, figure(row))
		}
		if err != nil {
			b.s.note("kernel %s: passed over: %s", all[i], firstOf(err.Error()))
		} else {
			b.s.note("kernel %s: %s", all[i], unit.Percent(by, true))
		}
		return behindHalf(by, row.Delta), err
	}}
	before, behind, err := search.run(ctx)
	if err != nil {
		return err
	}
	between := ""
	if behind-before > 1 {
		between = fmt.Sprintf(" (those between, %s, could not be measured)", strings.Join(all[before+1:behind], ", "))
	}
	return b.s.say("Kernel %s is the first on which %s moved, after %s%s. From %s to %s it is %s.\n", all[behind], figure(row), all[before], between, all[0], all[len(all)-1], unit.Percent(row.Delta, true))
}
