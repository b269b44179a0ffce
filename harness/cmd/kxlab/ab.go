// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/verdict"
)

const abLong = `ab says whether B is better than A, by how much and how sure that is. A and B are each one of

  a variant of the lab, with or without knobs    scx-vtime  scx-vtime,slice_us=2000
  a BPF source, which is compiled here           mine.bpf.c
  a BPF object                                   mine.bpf.o
  either at a git revision                       HEAD^:mine.bpf.c

Both are measured in one run, paired: on target exact by seed, so that any machine gives the same figures. A source or
object stands in the place of a variant of the lab, which says how it is put in force and what it is measured by: that of
--like, or of the other side, or what follows from the object itself.`

const abExample = `  kxlab ab eevdf scx-vtime --workload pipe
  kxlab ab HEAD:bpf/lb/xdp_dsr.bpf.c bpf/lb/xdp_dsr.bpf.c
  kxlab ab bpf-cubic mine.bpf.o --workload random-loss --axis loss=0
  kxlab ab HEAD:mine.bpf.c mine.bpf.c --like xdp-nat --gate --format markdown`

// abFlags are the flags of ab.
type abFlags struct {
	runFlags
	like, clang, minEffect, format string
	gate                           bool
}

func newAB(s streams, words experiments.Vocabulary) *cobra.Command {
	f := abFlags{runFlags: runFlags{snapshots: true}}
	cmd := &cobra.Command{
		Use: "ab A B", Short: "Say whether B is better than A: of your own programs, too", Long: abLong, Example: abExample, Args: cobra.ExactArgs(2),
		RunE: action(func(cmd *cobra.Command, args []string) error { return ab(cmd.Context(), s, words, f, args[0], args[1]) }),
	}
	fl := cmd.Flags()
	f.addTo(fl, harness.TargetExact, "smoke")
	fl.StringVar(&f.like, "like", "", "the variant of the lab whose place a source or object takes")
	fl.StringVar(&f.clang, "clang", "", "the compiler of sources (default: the first clang that is installed)")
	fl.BoolVar(&f.gate, "gate", false, "exit with 3 if B is worse anywhere, or lacks what A has")
	fl.StringVar(&f.minEffect, "min-effect", "", fmt.Sprintf("smallest difference that counts: 1%% or 0.01 (default %g%%, on target exact %g%%)",
		100*verdict.DefaultMinEffect, 100*verdict.DefaultMinEffectExact))
	fl.StringVar(&f.format, "format", "text", "text, markdown, json or junit")
	return cmd
}

// abRepeats is how many pairs of trials a cell has unless the user says: fewer than five find little.
const abRepeats = 5

func ab(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, a, b string) error {
	if err := harness.Known("format", f.format, page.CompareFormats()); err != nil {
		return usage(err)
	}
	if err := f.check(); err != nil {
		return usage(err)
	}
	var effect float64 // 0: the target's own
	if f.minEffect != "" {
		var err error
		if effect, err = share(f.minEffect); err != nil {
			return usage(fmt.Errorf("--min-effect: %w", err))
		}
	}
	pair, err := openPair(ctx, words, f.like, f.clang, a, b)
	if err != nil {
		return err
	}
	j, err := f.job(pair, words)
	if err != nil {
		return err
	}
	if j.plan.Target == harness.TargetHost {
		if err := host.RequireRoot(); err != nil {
			return err
		}
	}
	if j.plan.Target != harness.TargetExact {
		lock, err := f.lock(ctx, s)
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	sum, err := j.measure(ctx, s, f.runFlags)
	if err != nil {
		return err
	}
	return pair.answer(s, f, j, sum, effect)
}

// job lays out the run of a pair.
func (f abFlags) job(p *pair, words experiments.Vocabulary) (job, error) {
	sel := runner.Selection{Profile: f.profile, Target: f.target, Workloads: f.workloads, Repeats: f.repeat, WithoutAA: f.target == harness.TargetExact}
	if sel.Repeats == 0 {
		sel.Repeats = abRepeats
	}
	var err error
	if sel.Axes, err = f.parseAxes(); err != nil {
		return job{}, usage(err)
	}
	j, err := newJob(p.experiment, sel, words)
	if err != nil {
		return job{}, usage(err)
	}
	j.dir, j.objects = f.out, p.objects
	if j.dir == "" {
		j.dir = filepath.Join("results", "scratch", fmt.Sprintf("ab-%s-%s", p.experiment.Name, time.Now().Format("20060102-150405")))
	}
	jobs, err := f.onKernels(j)
	if err != nil {
		return job{}, err
	}
	if len(jobs) > 1 {
		return job{}, usage(errors.New("--kernel: ab takes one kernel; to hold kernels against one another take kxlab run with --kernel A,B"))
	}
	return jobs[0], nil
}

// answer says what a run found.
func (p *pair) answer(s streams, f abFlags, j job, sum runner.Summary, effect float64) error {
	r, err := record.Open(j.dir)
	if err != nil {
		return err
	}
	old, new := verdict.Split(r, p.a.Name, p.b.Name)
	c, err := verdict.Compare(old, new, verdict.CompareOptions{MinEffect: effect})
	if err != nil {
		return err
	}
	if f.format == "text" || f.format == "markdown" {
		err = page.WriteAB(s.out, page.AB{A: p.words[0], B: p.words[1], Comparison: c, Gates: p.correctness(r)}, f.format)
	} else {
		err = page.WriteComparison(s.out, c, f.format)
	}
	if err != nil {
		return err
	}
	s.note("all of it: kxlab report %s", j.dir)
	if err := wrongError(j, sum); err != nil {
		return err
	}
	if f.gate && c.Gate() {
		return withCode(codeRegression, fmt.Errorf("B is worse: %s", c.Summary()))
	}
	return nil
}

// correctness says what became of the gates of either side.
func (p *pair) correctness(r *record.Run) []string {
	var out []string
	for i, v := range []harness.Variant{p.a, p.b} {
		passed, kept := 0, 0
		var failed []string
		for _, g := range r.Env.Gates {
			switch {
			case g.Variant != v.Name:
			case !g.Passed:
				failed = append(failed, g.Where+": "+firstOf(g.Detail))
			default:
				passed++
				if g.Kept != nil {
					kept++
				}
			}
		}
		text := fmt.Sprintf("%s: %s: %d gates passed", "AB"[i:i+1], p.words[i], passed)
		if kept > 0 {
			text += fmt.Sprintf(", %d of them in an earlier run", kept)
		}
		for _, o := range r.Env.Outcomes {
			if o.Outcome == harness.OutcomeFailed && cellOf(r, o.Cell) == v.Name {
				failed = append(failed, o.Where+": "+firstOf(o.Reason))
			}
		}
		slices.Sort(failed)
		for _, f := range slices.Compact(failed) {
			text += "; failed: " + f
		}
		out = append(out, text)
	}
	return out
}

// cellOf is the variant of a cell by its name.
func cellOf(r *record.Run, name string) string {
	c, err := record.ParseCell(r.Env.Experiment, name)
	if err != nil {
		return ""
	}
	return c.Variant
}

// firstOf is the first line of a text.
func firstOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
