// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/vm"
)

// A preflight looks for faults of the user's own programs that show before a guest boots.
type preflight struct {
	types map[string]*btf.Spec // of kernels, by the paths of their images; nil: they cannot be read
}

// checkPrograms returns the first fault of the jobs' own programs that shows before a guest boots. Faults that need no more than the
// object were found when it was opened.
func checkPrograms(ctx context.Context, jobs []job, f runFlags) error {
	var p preflight
	for _, j := range jobs {
		if err := p.check(ctx, j.plan.Experiment, j.plan.Target, j.kernel, f, j.objects); err != nil {
			return withCode(codeFailed, err)
		}
	}
	return nil
}

// check checks the own programs of an experiment for a target's guests. A kernel that is not on this machine is not asked.
func (p *preflight) check(ctx context.Context, e harness.Experiment, target, kernel string, f runFlags, own map[string][]byte) error {
	if target == harness.TargetHost || len(own) == 0 {
		return nil
	}
	cpus, memory := guestSize(e.Guest, target, f.cpus)
	for _, v := range e.Variants {
		if own[v.Object] == nil {
			continue
		}
		spec, err := bpf.Open(v.Object)
		if err != nil {
			return err
		}
		if v.Attach == prog.MethodRun { // ab sizes its guest, and what the object has besides one program is not loaded
			continue
		}
		if err := bpfobj.CheckMemory(v.Object, spec, v.Knobs, cpus, uint64(memory)); err != nil {
			return err
		}
		if !bpfobj.AsksKernel(spec) {
			continue
		}
		name := kernel
		if target == harness.TargetVM && cmp.Or(f.root, e.Guest.Root) != rootImage {
			name = vm.Full(name)
		}
		k, err := vm.Find(name)
		if k == nil || err != nil {
			continue // what is wrong with it the guest's start says
		}
		types := p.kernelTypes(ctx, k)
		if types == nil {
			continue
		}
		inModules := func(text string) bool { return k.InModules(ctx, e.Guest.Modules, text) }
		if err := bpfobj.CheckKernel(v.Object, spec, types, inModules); err != nil {
			return fmt.Errorf("%w (kernel %s)", err, k.Release)
		}
	}
	return nil
}

// kernelTypes are the types of a kernel, nil if they cannot be read here.
func (p *preflight) kernelTypes(ctx context.Context, k *vm.Kernel) *btf.Spec {
	if types, ok := p.types[k.Image]; ok {
		return types
	}
	var types *btf.Spec
	if raw, err := k.Types(ctx); err == nil {
		if types, err = btf.LoadSpecFromReader(bytes.NewReader(raw)); err != nil {
			types = nil
		}
	}
	if p.types == nil {
		p.types = map[string]*btf.Spec{}
	}
	p.types[k.Image] = types
	return types
}

// checkListed checks the own programs of a listed experiment for its first target and the default kernel.
func checkListed(ctx context.Context, words experiments.Vocabulary, e harness.Experiment) error {
	e, own, err := adopt(words, e)
	if err != nil {
		return err
	}
	var p preflight
	if err := p.check(ctx, e, e.TargetsOr()[0], "", runFlags{}, own); err != nil {
		return withCode(codeFailed, err)
	}
	return nil
}

// guestSize is how many CPUs and how much memory, bytes, guests of a target have. cpus is what the command line says; 0: nothing.
func guestSize(g harness.GuestSpec, target string, cpus int) (int, int64) {
	if target == harness.TargetExact {
		cpus = cmp.Or(cpus, g.ExactCPUs)
	}
	return cmp.Or(cpus, g.CPUs, 1), int64(cmp.Or(g.MemoryMB, defaultGuestMB)) << 20
}
