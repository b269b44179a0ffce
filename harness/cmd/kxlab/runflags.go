// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/vm"
)

// runFlags are the flags of run.
type runFlags struct {
	target, profile, out, root, clang        string
	plan, shard                              string
	variants, workloads, axes, kernels, with []string
	repeat, cpus                             int
	seed                                     uint64
	silence                                  time.Duration
	snapshots, fresh, json, wait, all        bool
	functions                                bool // target exact: count instructions by function
	stacks                                   bool // sample stacks
}

// Help texts of flags that bench has, too.
const (
	profileHelp   = "how much is run: smoke, quick, wide or full (kxlab list EXPERIMENT --yaml shows each)"
	repeatHelp    = "trials of each cell (0: as many as the profile says)"
	seedHelp      = "decides the order of trials and what packets look like"
	snapshotsHelp = "resume guests of target exact from snapshots; without, each boots, which is slower and gives the same digits"
	freshHelp     = "check every correctness gate and run every guest anew; without, a gate that this lab passed on this kernel, with this definition and seed, is kept, and so is the report of an exact guest in which nothing failed: the same guest gives the same digits"
	silenceHelp   = "end a guest from which nothing came for so long, not even a sign of life"
	waitHelp      = "if another run is measuring on this machine, wait for it"
)

// addTo adds the flags of all commands that measure.
func (f *runFlags) addTo(fl *pflag.FlagSet, target, profile string) {
	f.addChoice(fl, target, profile)
	fl.StringVar(&f.root, "root", "", "root file system of guests: host (this machine's, read-only, through virtme-ng) or image (the lab's own, with what the experiment names; it boots in a tenth of the time) (default: on target vm what the experiment says, else host)")
	f.addGuests(fl)
	fl.StringVar(&f.out, "out", "", "run directory (default results/scratch/EXPERIMENT-PROFILE-TIME)")
	fl.BoolVar(&f.wait, "wait", false, waitHelp)
	fl.BoolVar(&f.stacks, "stacks", false, stacksHelp)
}

// addGuests adds the flags that say how guests are run.
func (f *runFlags) addGuests(fl *pflag.FlagSet) {
	fl.BoolVar(&f.snapshots, "snapshots", true, snapshotsHelp)
	fl.BoolVar(&f.fresh, "fresh", false, freshHelp)
	fl.DurationVar(&f.silence, "silence", vm.SilenceTime, silenceHelp)
}

func (f *runFlags) addVariants(fl *pflag.FlagSet) {
	fl.StringSliceVar(&f.variants, "variants", nil, "only these variants")
}

// addChoice adds the flags that say what is run.
func (f *runFlags) addChoice(fl *pflag.FlagSet, target, profile string) {
	where := "where trials run: host, vm (a guest) or exact (a guest whose clock counts instructions)"
	if target == "" {
		where += " (default: the experiment's first)"
	}
	fl.StringVar(&f.target, "target", target, where)
	fl.StringSliceVar(&f.with, "with", nil, "folders whose sources and objects (NAME.bpf.c, NAME.bpf.o) are variants, too")
	fl.StringVar(&f.clang, "clang", "", "the compiler of sources (default: the first clang that is installed)")
	fl.StringSliceVar(&f.kernels, "kernel", nil, "kernels of the guests, one run for each: a suite, a version, an image, a build tree (see kxlab vm)")
	fl.IntVar(&f.cpus, "cpus", 0, "virtual CPUs of the guests (0: as many as the experiment says)")
	fl.StringVar(&f.profile, "profile", profile, profileHelp)
	fl.StringSliceVar(&f.workloads, "workload", nil, "only these workloads")
	fl.StringArrayVar(&f.axes, "axis", nil, "values of an axis: services=1,1000 (may be given several times)")
	fl.IntVar(&f.repeat, "repeat", 0, repeatHelp)
	fl.Uint64Var(&f.seed, "seed", 1, seedHelp)
}

// maxCPUs is how many CPUs QEMU's machine gives a guest.
const maxCPUs = 255

func (f runFlags) check() error {
	switch {
	case f.target != "" && !slices.Contains(harness.Targets(), f.target):
		return harness.Known("target", f.target, harness.Targets())
	case f.cpus < 0 || f.cpus > maxCPUs:
		return fmt.Errorf("--cpus %d: want 0 to %d", f.cpus, maxCPUs)
	case f.root != "" && f.root != rootHost && f.root != rootImage:
		return harness.Known("root", f.root, []string{rootHost, rootImage})
	case isRemote(f.out) && f.plan == "" && f.shard == "":
		return fmt.Errorf("--out %s: only shards go there; a run is written to a folder, and %s put copies it from there", f.out, storeTool)
	case f.silence <= 0:
		return fmt.Errorf("--silence %v: want more than 0, such as 30s", f.silence)
	}
	for i, k := range f.kernels {
		if err := vm.CheckName(k); err != nil {
			return err
		}
		if slices.Contains(f.kernels[:i], k) {
			return fmt.Errorf("--kernel: %s is named twice", k)
		}
	}
	return nil
}

// parseAxes reads the flags --axis.
func (f runFlags) parseAxes() (out []harness.Axis, err error) {
	for _, a := range f.axes {
		name, values, ok := strings.Cut(a, "=")
		if !ok {
			return nil, fmt.Errorf("axis %q: want NAME=VALUE,VALUE", a)
		}
		out = append(out, harness.Axis{Name: name, Values: strings.Split(values, ",")})
	}
	return out, nil
}
