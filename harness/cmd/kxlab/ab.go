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
	"github.com/spf13/pflag"

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
  a BPF source, which is compiled here           mine.bpf.c  mine.bpf.c,slice_us=2000
  a BPF object                                   mine.bpf.o
  either at a git revision                       HEAD^:mine.bpf.c  (the path from this folder)
  a variant of a definition, as a program        mine.yaml:mine

Trials are paired: on target exact by seed, in guests that differ in the program alone, so that any machine gives the
same figures; on others they take turns in one run. A source or object stands in the place of a variant of the lab, which
says how it is put in force and what it is measured by: that of --like, or of the other side, or what follows from the
object itself. On target exact the second seed gives a preliminary sentence on standard error, and the answer ends with the
functions by which A and B differ and the instructions of a call of each of theirs, counted in one more guest of each side.
Two programs that are the same code, but for comments and names, are not measured (--fresh measures them).
With --stacks, on any target, differential flame graphs show where A and B spend their time.
Knobs, the const volatile integers of a program, follow a comma: behind sources, objects and revisions, too.

An object that takes no place of the lab's, or --like prog, is run by itself, through the kernel's test run: an XDP, tc,
cgroup_skb, socket filter, flow dissector, raw tracepoint or syscall program gets each input (--input: a capture, a
description, bytes; without, four packets) with maps as --maps says. Return values and output bytes of A and B must be
equal (--allow-difference). The answer is the cost of a run, the loop's own taken off.

On target exact, without --workload, --axis, --profile and --gate, balancers are measured by workload pps alone, schedulers by pipe, and
congestion controls by random-loss, for a first answer. --profile smoke measures all of its workloads.

With several kernels (--kernel) the columns of the answer are kernels: B against A on each, and in which rows that differs
between them. A alone with several kernels is measured on each: B is A on a later kernel, A is A on the first.

On target host two XDP programs in the place of balancers are timed alone, or two tc programs that make no tunnel: in
turns of 64 packets within one call of the kernel, over up to 200 loads of both (--repeat), which tells 1 % apart in a
minute. XDP and tc programs by themselves are timed so, too, a row an input; their other types are measured on target
exact only. Balancers under --workload rr, crr or pps at a fixed rate take short turns within one set-up.`

const abExample = `  kxlab ab eevdf scx-vtime --workload pipe
  kxlab ab HEAD:bpf/lb/xdp_dsr.bpf.c bpf/lb/xdp_dsr.bpf.c
  kxlab ab HEAD:mine.bpf.c mine.bpf.c --watch
  kxlab ab mine.bpf.c,slice_us=5000 mine.bpf.c,slice_us=2000
  kxlab ab xdp-ipip mine.bpf.c --target host --axis flows=1,4096
  kxlab ab bpf-cubic mine.bpf.o --workload random-loss --axis loss=0
  kxlab ab HEAD:mine.bpf.c mine.bpf.c --like xdp-nat --gate --format markdown
  kxlab ab HEAD:mine.bpf.c mine.bpf.c --kernel 6.12,7.2 --gate
  kxlab ab mine.bpf.o --kernel 6.12,7.2
  kxlab ab haproxy nginx-stream --workload rr
  kxlab ab haproxy mine.yaml:mine --target host
  kxlab ab old.bpf.o new.bpf.o --program xdp_main --input traffic.pcap --maps maps.yaml
  kxlab ab count-array xdp_mine.bpf.c --like prog --target host --allow-difference`

// abFlags are the flags of ab.
type abFlags struct {
	runFlags
	progFlags
	like, minEffect, format string
	gate, watch             bool
	bisectRun               bool // the exit code is for git bisect run
	narrow                  bool // the user asked for nothing in particular: see leads
}

func newAB(s streams, words experiments.Vocabulary) *cobra.Command {
	f := abFlags{runFlags: runFlags{snapshots: true}}
	cmd := &cobra.Command{
		Use: "ab A [B]", Short: "Say whether B is better than A: of your own programs, too", Long: abLong, Example: abExample, Args: cobra.RangeArgs(1, 2),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			f.gate = f.gate || f.bisectRun
			f.narrow = !f.gate && !slices.ContainsFunc([]string{"workload", "axis", "profile"}, cmd.Flags().Changed)
			switch {
			case f.watch:
				return watch(cmd.Context(), s, words, f, args)
			case f.bisectRun:
				return forGitBisect(ab(cmd.Context(), s, words, f, args))
			}
			return ab(cmd.Context(), s, words, f, args)
		}),
	}
	fl := cmd.Flags()
	f.addABTo(fl)
	fl.BoolVar(&f.watch, "watch", false, "answer again, in a line, whenever a source, a header or an object is saved; Ctrl-C ends it")
	fl.BoolVar(&f.gate, "gate", false, "exit with 3 if B is worse anywhere, or lacks what A has")
	fl.BoolVar(&f.bisectRun, "bisect-run", false, "as --gate, with the exit codes of git bisect run: 3 worse, 125 cannot be judged (skipped), 128 ends the bisection")
	fl.StringVar(&f.format, "format", "text", "text, markdown, json or junit")
	cmd.MarkFlagsMutuallyExclusive("watch", "bisect-run")
	return cmd
}

// addABTo adds the flags by which two programs are held against one another.
func (f *abFlags) addABTo(fl *pflag.FlagSet) {
	f.addTo(fl, harness.TargetExact, "smoke")
	fl.StringVar(&f.like, "like", "", "the variant of the lab whose place a source or object takes")
	fl.StringVar(&f.program, "program", "", "of objects with several programs, the one that is run by itself: NAME, or A's,B's")
	fl.StringArrayVar(&f.inputs, "input", nil, "what a program by itself gets: a capture, a description (.yaml) or bytes (.bin) (may be given several times)")
	fl.StringVar(&f.maps, "maps", "", "what maps and global variables of programs by themselves hold (.yaml): FILE, or A's,B's")
	fl.BoolVar(&f.allowDifference, "allow-difference", false, "do not fail if programs by themselves differ in their outputs")
	fl.StringVar(&f.minEffect, "min-effect", "", fmt.Sprintf("smallest difference that counts: 1%% or 0.01 (default %g%%, on target exact %g%%)",
		100*verdict.DefaultMinEffect, 100*verdict.DefaultMinEffectExact))
}

// abRepeats is how many pairs of trials a cell has unless the user says: fewer than five find little.
const abRepeats = 5

// leads are the workloads that answer first on target exact, of experiments whose profile smoke takes minutes there.
var leads = map[string]string{"lb": "pps", "proxy": "rr", "sched": "pipe", "cc": "random-loss"}

// ab answers for A and B, or for A alone.
func ab(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, args []string) error {
	if err := f.checkAB(args); err != nil {
		return usage(err)
	}
	var effect float64 // 0: the target's own
	if f.minEffect != "" {
		var err error
		if effect, err = share(f.minEffect); err != nil {
			return usage(fmt.Errorf("--min-effect: %w", err))
		}
	}
	args = slices.Clone(args)
	for i := range args {
		var err error
		if args[i], err = inFolders(f.with, args[i]); err != nil {
			return err
		}
	}
	pair, err := openArgs(ctx, words, f, args)
	if err != nil {
		return err
	}
	f.narrowTo(pair)
	inTurns := !f.stacks && pair.inTurns(words, f) != nil // stacks are sampled in trials
	var jobs [][]job
	if !inTurns {
		if jobs, err = f.jobs(pair, words); err != nil {
			return err
		}
	}
	if done, err := pair.answerSame(s, f); done || err != nil {
		return err
	}
	if f.narrow {
		s.note("measured by workload %s alone; --profile smoke measures more", f.workloads[0])
	}
	if inTurns {
		return pair.abTurns(ctx, s, words, f, effect)
	}
	if err := checkPrograms(ctx, slices.Concat(jobs...), f.runFlags); err != nil {
		return err
	}
	if err := f.differentKernels(ctx, jobs); err != nil {
		return err
	}
	if f.target == harness.TargetHost {
		if err := host.RequireRoot(); err != nil {
			return err
		}
	}
	if f.target != harness.TargetExact {
		lock, err := f.lock(ctx, s)
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	wrong, err := pair.measure(ctx, s, f, jobs, &effect)
	if err != nil {
		return err
	}
	return pair.answer(ctx, s, f, jobs, effect, wrong)
}

// openArgs opens A and B, or A alone.
func openArgs(ctx context.Context, words experiments.Vocabulary, f abFlags, args []string) (*pair, error) {
	p, err := openPair(ctx, words, f, args[0], args[len(args)-1])
	if err != nil {
		return nil, err
	}
	if p.single = len(args) == 1; p.single {
		p.experiment.Variants = []harness.Variant{p.a}
	}
	return p, nil
}

// narrowTo keeps the workload of a pair that answers first, where the user asked for nothing in particular: then narrow stays.
func (f *abFlags) narrowTo(p *pair) {
	lead := leads[p.experiment.Name]
	if f.narrow = f.narrow && f.target == harness.TargetExact && lead != ""; f.narrow {
		f.workloads = []string{lead}
	}
}

// measure runs the jobs, kernel by kernel. effect is the least difference that counts; 0 becomes that of the pair's kind, if it has one.
// wrong is what failed in them.
func (p *pair) measure(ctx context.Context, s streams, f abFlags, jobs [][]job, effect *float64) (wrong, err error) {
	if *effect == 0 && p.kind != nil && f.target == harness.TargetExact {
		*effect = minEffectRun
	}
	var all []error
	for _, on := range jobs {
		m := sides{pair: p, jobs: on, several: len(jobs) > 1, effect: *effect}
		failed, err := m.measure(ctx, s, f)
		if err != nil {
			return nil, err
		}
		all = append(all, failed...)
	}
	return errors.Join(all...), nil
}

// checkAB returns an error for flags that do not fit together.
func (f abFlags) checkAB(args []string) error {
	if err := harness.Known("format", f.format, page.CompareFormats()); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	switch n := len(f.kernels); {
	case f.target == harness.TargetHost && n > 0:
		return errHostKernel
	case len(args) == 1 && n < 2:
		return fmt.Errorf("B is missing: ab takes A and B, or A alone with several kernels: kxlab ab %s --kernel A,B", args[0])
	case n > 1 && f.format == "junit":
		return errors.New("--format junit: not with several kernels; take text, markdown or json")
	}
	return nil
}

// jobs lays out the runs of a pair on each kernel: on target exact one of each side, else one of both, whose trials take turns. Programs
// by themselves have one run on target exact, too: a trial loads its program anew and meets nothing of the other's, the digits are the
// same as in two runs, and a guest less saves a third of the time. A alone has one run.
func (f abFlags) jobs(p *pair, words experiments.Vocabulary) ([][]job, error) {
	sel := runner.Selection{Profile: f.profile, Target: f.target, Workloads: f.workloads, Repeats: f.repeat}
	if sel.Repeats == 0 {
		sel.Repeats = abRepeats
	}
	var err error
	if sel.Axes, err = f.parseAxes(); err != nil {
		return nil, usage(err)
	}
	if err := p.checkInputs(sel.Axes); err != nil {
		return nil, usage(err)
	}
	dir := f.out
	if dir == "" {
		dir = scratch("ab-"+p.experiment.Name, time.Now())
	}
	all, dirs := []harness.Experiment{p.experiment}, []string{dir}
	sel.WithoutAA = f.target == harness.TargetExact || p.kind != nil
	if f.target == harness.TargetExact && p.kind == nil && !p.single {
		all, dirs = p.alone(), []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	}
	out := make([][]job, max(1, len(f.kernels)))
	for i, e := range all {
		j, err := newJob(e, sel, words)
		if err != nil {
			return nil, usage(err)
		}
		j.dir, j.names = dirs[i], p.namesOf(i, len(all))
		j.objects, j.sides = p.objectsOf(i, len(all)), p.sidesOf(len(all))
		on, err := f.onKernels(j)
		if err != nil {
			return nil, err
		}
		for k := range on {
			out[k] = append(out[k], on[k])
		}
	}
	return out, f.checkOut(slices.Concat(out...))
}

// answer says what the runs found. wrong is what failed in them.
func (p *pair) answer(ctx context.Context, s streams, f abFlags, jobs [][]job, effect float64, wrong error) error {
	pairs, err := p.runs(jobs)
	if err != nil {
		return err
	}
	names := p.kernelNames(jobs, pairs)
	var answers []page.AB
	var worse, blind []string
	for i, runs := range pairs {
		c, err := verdict.Compare(runs[0], runs[1], verdict.CompareOptions{MinEffect: effect, Kernels: p.single})
		if err != nil {
			return err
		}
		out := page.AB{A: p.words[0], B: p.words[1], Comparison: c}
		where := ""
		switch {
		case p.single:
			out.A, out.B = p.words[0]+" on "+names[0], p.words[0]+" on "+names[i+1]
			where = "A: " + out.A + ", B: " + out.B + ": "
		case len(pairs) > 1:
			where = "kernel " + names[i] + ": "
		}
		out.Gates = []string{
			correctness("A: "+out.A, runs[0], p.namesOf(0, len(jobs[0]))), correctness("B: "+out.B, runs[1], p.namesOf(1, len(jobs[0]))),
		}
		if err := p.progAnswer(&out, f.progFlags, runs[0], runs[1]); err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s%w", where, err))
		}
		if err := p.stackFiles(s, runs, out.A, out.B); err != nil {
			return err
		}
		answers = append(answers, out)
		switch {
		case c.Gate():
			worse = append(worse, where+c.Summary())
		case c.Blind():
			blind = append(blind, where+c.Summary())
		}
	}
	if err := p.write(s, f, names, answers); err != nil {
		return err
	}
	if err := p.writeCause(ctx, s, f, answers[0], p.sides(jobs, 0)); err != nil {
		return err
	}
	for _, j := range slices.Concat(jobs...) {
		s.note("all of it: kxlab report %s", j.dir)
	}
	if wrong != nil {
		return wrong
	}
	if f.gate && len(worse) > 0 {
		return withCode(codeRegression, fmt.Errorf("B is worse: %s", strings.Join(worse, "; ")))
	}
	if f.gate && len(blind) > 0 {
		return withCode(codeRegression, fmt.Errorf("the gate can say nothing, %w: %s: take more repeats (--repeat 5)", errBlind, strings.Join(blind, "; ")))
	}
	return nil
}

// write writes the answer, or those on several kernels.
func (p *pair) write(s streams, f abFlags, names []string, answers []page.AB) error {
	if len(names) > 1 {
		return page.WriteKernels(s.out, page.Kernels{Names: names, Alone: p.single, Answers: answers}, f.format)
	}
	return page.WriteAB(s.out, answers[0], f.format)
}

// correctness says what became of the gates of a side, whose variant the user named so.
func correctness(side string, r *record.Run, names map[string]string) string {
	passed := harness.Count(r.Env.Gates, func(g record.Gate) bool { return g.Passed })
	kept := harness.Count(r.Env.Gates, func(g record.Gate) bool { return g.Kept != nil })
	text := fmt.Sprintf("%s: %d of %s passed", side, passed, harness.Plural(len(r.Env.Gates), "gate"))
	if kept > 0 {
		text += fmt.Sprintf(", %d of them in an earlier run", kept)
	}
	var failed []string
	for _, o := range r.Env.Outcomes {
		if o.Outcome == harness.OutcomeFailed || o.Outcome == harness.OutcomeInvalid || o.Outcome == harness.OutcomeNotSupported {
			failed = append(failed, fmt.Sprintf("%s at %s: %s", o.Outcome, o.Where, rename(firstOf(o.Reason), names)))
		}
	}
	slices.Sort(failed)
	for _, f := range slices.Compact(failed) {
		text += "; " + f
	}
	return text
}

// firstOf is the first line of a text.
func firstOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
