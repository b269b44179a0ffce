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

Trials are paired: on target exact by seed, in guests that differ in the program alone, so that any machine gives the
same figures; on others they take turns in one run. A source or object stands in the place of a variant of the lab, which
says how it is put in force and what it is measured by: that of --like, or of the other side, or what follows from the
object itself.

An object that takes no place of the lab's, or --like prog, is run by itself, through the kernel's test run: an XDP, tc,
cgroup_skb, socket filter, flow dissector, raw tracepoint or syscall program gets each input (--input: a capture, a
description, bytes; without, four packets) with maps as --maps says. Return values and output bytes of A and B must be
equal (--allow-difference). The answer is the cost of a run, the loop's own taken off.

On target host two XDP programs in the place of balancers are timed alone, in turns of 64 packets within one call of the
kernel, over 16 loads of both (--repeat), which shows smaller differences than trials in turn.`

const abExample = `  kxlab ab eevdf scx-vtime --workload pipe
  kxlab ab HEAD:bpf/lb/xdp_dsr.bpf.c bpf/lb/xdp_dsr.bpf.c
  kxlab ab HEAD:mine.bpf.c mine.bpf.c --watch
  kxlab ab xdp-ipip mine.bpf.c --target host --axis flows=1,4096
  kxlab ab bpf-cubic mine.bpf.o --workload random-loss --axis loss=0
  kxlab ab HEAD:mine.bpf.c mine.bpf.c --like xdp-nat --gate --format markdown
  kxlab ab old.bpf.o new.bpf.o --program xdp_main --input traffic.pcap --maps maps.yaml
  kxlab ab tc_mine.bpf.c count-hash --like prog --target host --allow-difference`

// abFlags are the flags of ab.
type abFlags struct {
	runFlags
	progFlags
	like, minEffect, format string
	gate, watch             bool
}

func newAB(s streams, words experiments.Vocabulary) *cobra.Command {
	f := abFlags{runFlags: runFlags{snapshots: true}}
	cmd := &cobra.Command{
		Use: "ab A B", Short: "Say whether B is better than A: of your own programs, too", Long: abLong, Example: abExample, Args: cobra.ExactArgs(2),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if f.watch {
				return watch(cmd.Context(), s, words, f, args[0], args[1])
			}
			return ab(cmd.Context(), s, words, f, args[0], args[1])
		}),
	}
	fl := cmd.Flags()
	f.addTo(fl, harness.TargetExact, "smoke")
	fl.StringVar(&f.like, "like", "", "the variant of the lab whose place a source or object takes")
	fl.BoolVar(&f.watch, "watch", false, "answer again, in a line, whenever a source, a header or an object is saved; Ctrl-C ends it")
	fl.StringVar(&f.program, "program", "", "of objects with several programs, the one that is run by itself: NAME, or A's,B's")
	fl.StringArrayVar(&f.inputs, "input", nil, "what a program by itself gets: a capture, a description (.yaml) or bytes (.bin) (may be given several times)")
	fl.StringVar(&f.maps, "maps", "", "what maps and global variables of programs by themselves hold (.yaml)")
	fl.BoolVar(&f.allowDifference, "allow-difference", false, "do not fail if programs by themselves differ in their outputs")
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
	for _, word := range []*string{&a, &b} {
		var err error
		if *word, err = inFolders(f.with, *word); err != nil {
			return err
		}
	}
	pair, err := openPair(ctx, words, f, a, b)
	if err != nil {
		return err
	}
	if f.laps(pair) {
		return pair.abLaps(ctx, s, words, f, effect)
	}
	jobs, err := f.jobs(pair, words)
	if err != nil {
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
	var wrong []error
	for _, i := range pair.order(len(jobs)) {
		side := ""
		if len(jobs) > 1 {
			side = fmt.Sprintf("%s, %s: ", "AB"[i:i+1], pair.words[i])
		}
		sum, err := jobs[i].measure(ctx, s, f.runFlags)
		if err != nil {
			return fmt.Errorf("%s%w", side, err)
		}
		if err := wrongError(jobs[i], sum); err != nil {
			wrong = append(wrong, fmt.Errorf("%s%w", side, err))
		}
	}
	return pair.answer(s, f, jobs, effect, errors.Join(wrong...))
}

// jobs lays out the runs of a pair: on target exact one of each side, else one of both, whose trials take turns. Programs by
// themselves have one run on target exact, too: a trial loads its program anew and meets nothing of the other's, the digits are the
// same as in two runs, and a guest less saves a third of the time.
func (f abFlags) jobs(p *pair, words experiments.Vocabulary) ([]job, error) {
	sel := runner.Selection{Profile: f.profile, Target: f.target, Workloads: f.workloads, Repeats: f.repeat}
	if sel.Repeats == 0 {
		sel.Repeats = abRepeats
	}
	if len(f.kernels) > 1 {
		return nil, usage(errors.New("--kernel: ab takes one kernel; to hold kernels against one another take kxlab run with --kernel A,B"))
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
		dir = filepath.Join("results", "scratch", fmt.Sprintf("ab-%s-%s", p.experiment.Name, time.Now().Format("20060102-150405")))
	}
	all, dirs := []harness.Experiment{p.experiment}, []string{dir}
	sel.WithoutAA = f.target == harness.TargetExact || p.kind != nil
	if f.target == harness.TargetExact && p.kind == nil {
		all, dirs = p.alone(), []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	}
	var out []job
	for i, e := range all {
		j, err := newJob(e, sel, words)
		if err != nil {
			return nil, usage(err)
		}
		j.dir = dirs[i]
		if len(p.objects) > 0 {
			j.objects = p.objects
		}
		on, err := f.onKernels(j)
		if err != nil {
			return nil, err
		}
		out = append(out, on...)
	}
	return out, nil
}

// answer says what the runs found. wrong is what failed in them.
func (p *pair) answer(s streams, f abFlags, jobs []job, effect float64, wrong error) error {
	var runs []*record.Run
	for _, j := range jobs {
		r, err := record.Open(j.dir)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	if len(runs) == 1 {
		old, new := verdict.Split(runs[0], p.a.Name, p.b.Name)
		runs = []*record.Run{old, new}
	}
	if effect == 0 && p.kind != nil && f.target == harness.TargetExact {
		effect = minEffectRun
	}
	c, err := verdict.Compare(runs[0], runs[1], verdict.CompareOptions{MinEffect: effect})
	if err != nil {
		return err
	}
	if f.format == "text" || f.format == "markdown" {
		gates := []string{correctness("A: "+p.words[0], runs[0]), correctness("B: "+p.words[1], runs[1])}
		out := page.AB{A: p.words[0], B: p.words[1], Comparison: c, Gates: gates}
		wrong = errors.Join(wrong, p.progAnswer(&out, f.progFlags, runs[0], runs[1]))
		err = page.WriteAB(s.out, out, f.format)
	} else {
		wrong = errors.Join(wrong, p.progAnswer(&page.AB{}, f.progFlags, runs[0], runs[1]))
		err = page.WriteComparison(s.out, c, f.format)
	}
	if err != nil {
		return err
	}
	for _, j := range jobs {
		s.note("all of it: kxlab report %s", j.dir)
	}
	if wrong != nil {
		return wrong
	}
	if f.gate && c.Gate() {
		return withCode(codeRegression, fmt.Errorf("B is worse: %s", c.Summary()))
	}
	return nil
}

// correctness says what became of the gates of a side.
func correctness(side string, r *record.Run) string {
	passed := harness.Count(r.Env.Gates, func(g record.Gate) bool { return g.Passed })
	kept := harness.Count(r.Env.Gates, func(g record.Gate) bool { return g.Kept != nil })
	text := fmt.Sprintf("%s: %d of %d gates passed", side, passed, len(r.Env.Gates))
	if kept > 0 {
		text += fmt.Sprintf(", %d of them in an earlier run", kept)
	}
	var failed []string
	for _, o := range r.Env.Outcomes {
		if o.Outcome == harness.OutcomeFailed {
			failed = append(failed, o.Where+": "+firstOf(o.Reason))
		}
	}
	slices.Sort(failed)
	for _, f := range slices.Compact(failed) {
		text += "; failed at " + f
	}
	return text
}

// firstOf is the first line of a text.
func firstOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
