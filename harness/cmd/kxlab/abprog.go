// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/family/prog/fill"
	"github.com/kxlab/kxlab/harness/family/prog/input"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/source"
	"github.com/kxlab/kxlab/harness/sys"
)

// progExperiment is the experiment of programs by themselves, and what --like says for it.
const progExperiment = "prog"

// progFlags are the flags of ab for programs by themselves.
type progFlags struct {
	program, maps   string
	inputs          []string
	allowDifference bool
}

// names are the programs of A and of B that are run: --program NAME, or A's,B's.
func (f progFlags) names() [2]string {
	a, b, two := strings.Cut(f.program, ",")
	if !two {
		b = a
	}
	return [2]string{a, b}
}

// mapFiles are the files that say what the maps of A and of B hold: --maps FILE, or A's,B's. A file whose name has a comma is one.
func (f progFlags) mapFiles() [2]string {
	a, b, two := strings.Cut(f.maps, ",")
	if _, err := os.Stat(f.maps); !two || err == nil {
		return [2]string{f.maps, f.maps}
	}
	return [2]string{a, b}
}

// minEffectRun is the smallest difference of instructions a run that counts: these are whole numbers, the same in every run.
const minEffectRun = 0.001

// used names a flag that was given, or "".
func (f progFlags) used() string {
	switch {
	case f.program != "":
		return "--program"
	case f.maps != "":
		return "--maps"
	case len(f.inputs) > 0:
		return "--input"
	case f.allowDifference:
		return "--allow-difference"
	}
	return ""
}

// labMaps are maps that only the lab's control plane fills: an object with one of them is a balancer.
var labMaps = []string{"vips4", "vips6", "rings"}

// runsAlone reports whether an object without a place in the lab is measured by itself.
func runsAlone(o *source.Object) bool {
	return !slices.ContainsFunc(labMaps, func(name string) bool { return o.Spec.Maps[name] != nil })
}

// byItself makes a side of an object or of a variant of the lab that is measured by itself.
func (s side) byItself(word string) (side, error) {
	v := harness.Variant{Name: s.variant.Name, Object: s.variant.Object, Knobs: s.variant.Knobs, Class: progExperiment, Attach: prog.MethodRun}
	if s.object != nil {
		if v.Name = s.object.Name; harness.CheckName("variant", v.Name) != nil {
			v.Name = "own"
		}
		v.Object, v.Knobs = s.object.From, nil
	}
	if v.Object == "" {
		return s, fmt.Errorf("%s: it has no BPF object that could be run by itself", word)
	}
	return side{variant: v, experiment: progExperiment, object: s.object}, nil
}

// runPrograms completes a pair of programs by themselves: which program of each is run, on which inputs, with what in its maps.
func (p *pair) runPrograms(f progFlags) error {
	data := prog.Data{Sides: map[string]prog.Side{}}
	var have [2]prog.Kind
	var need uint64
	for i, v := range []*harness.Variant{&p.a, &p.b} {
		spec, err := bpf.Open(v.Object)
		if err != nil {
			return err
		}
		chosen, kind, err := prog.Pick(spec, f.names()[i])
		if err != nil {
			err = fmt.Errorf("%s: %w", p.words[i], err)
			if unknown := new(harness.UnknownError); errors.Is(err, prog.ErrUnnamed) || errors.As(err, &unknown) {
				return usage(err)
			}
			return err
		}
		have[i] = kind
		s := prog.Side{Program: chosen.Name}
		file := f.mapFiles()[i]
		if s.Fills, s.Variables, err = readMaps(file, spec); err != nil {
			return usage(fmt.Errorf("%s: --maps %w", p.words[i], err))
		}
		data.Sides[v.Name] = s
		n, err := mapMemory(spec, chosen.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", p.words[i], err)
		}
		need = max(need, n)
	}
	if have[0].Type != have[1].Type {
		return usage(fmt.Errorf("A is a program of type %s and B of type %s: they do not do the same work", have[0].Name, have[1].Name))
	}
	var err error
	if data.Inputs, err = input.Read(f.inputs); err != nil {
		return usage(err)
	}
	if len(data.Inputs) == 0 {
		data.Inputs = prog.DefaultInputs(have[0])
	}
	if err := prog.CheckInputs(have[0], data.Inputs); err != nil {
		return usage(err)
	}
	if p.experiment.Data, err = data.Encode(); err != nil {
		return err
	}
	p.kind = &have[0]
	p.experiment.Guest.MemoryMB = bpfobj.GuestMemory(p.experiment.Guest.MemoryMB, need)
	p.experiment.Loading = time.Duration(need>>20) * loadMiB
	w := &p.experiment.Workloads[0]
	w.Axes[0].Values = harness.Map(data.Inputs, func(in prog.Input) string { return in.Name })
	return nil
}

// checkInputs returns an error if --axis names an input that there is none of.
func (p *pair) checkInputs(axes []harness.Axis) error {
	for _, a := range axes {
		for _, v := range a.Values {
			if p.kind != nil && a.Name == prog.AxisInput {
				if err := harness.Known("input", v, p.experiment.Workloads[0].Axes[0].Values); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func readMaps(path string, spec *ebpf.CollectionSpec) ([]prog.Fill, []prog.Variable, error) {
	if path == "" {
		return nil, nil, nil
	}
	raw, err := sys.ReadRegular(path, maxMapFile)
	if err != nil {
		return nil, nil, err
	}
	fills, variables, err := fill.Parse(raw, spec)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return fills, variables, nil
}

// maxMapFile is the most bytes that a file with the content of maps may have.
const maxMapFile = 64 << 20

// maxMaps is the most memory that the maps of a program may take, bytes: of the largest guests.
const maxMaps = 3 << 30

// loadMiB is about how long an exact guest takes to make a MiB of maps and to free it: an array of 800 MiB took 6 s of a processor.
const loadMiB = 8 * time.Millisecond

// mapMemory is about how much memory the maps of a program take. Maps that are too large, or that only their loader can make, are
// an error.
func mapMemory(spec *ebpf.CollectionSpec, program string) (uint64, error) {
	spec = spec.Copy()
	bpfobj.KeepOnly(spec, program)
	for name, m := range spec.Maps {
		switch {
		case (m.Type == ebpf.ArrayOfMaps || m.Type == ebpf.HashOfMaps) && m.InnerMap == nil:
			return 0, fmt.Errorf("map %s: the object does not say what its inner maps are like, since its own loader makes them: declare them in the map (__array(values, …))", name)
		case m.Extra != nil && m.Extra.Len() > 0:
			return 0, fmt.Errorf("map %s: an old definition with %d bytes that only one loader understands (iproute2's?): declare the map in section .maps", name, m.Extra.Len())
		}
	}
	n := bpfobj.MapMemory(spec, 1)
	if n.Sum > maxMaps {
		return 0, fmt.Errorf("%s, and guests have room for %d GiB: lower max_entries", n, maxMaps>>30)
	}
	return n.Sum, nil
}

// differences lists where the outputs of A and B differ, one line an input.
func differences(k prog.Kind, a, b *record.Run) (lines []string, compared int) {
	type key struct {
		input  string
		repeat int
	}
	outputs := func(r *record.Run) (out map[key]prog.Output, order []key) {
		out = map[key]prog.Output{}
		for _, t := range r.Trials {
			for _, s := range t.Result.Series {
				if o, ok := prog.ReadOutput(s); ok {
					at := key{t.Cell.Axis(prog.AxisInput), t.Repeat}
					out[at], order = o, append(order, at)
				}
			}
		}
		return out, order
	}
	ofA, order := outputs(a)
	ofB, _ := outputs(b)
	slices.SortStableFunc(order, func(x, y key) int { return x.repeat - y.repeat })
	seen := map[string]bool{}
	inputs := map[string]bool{}
	for _, at := range order {
		o, ok := ofB[at]
		if !ok {
			continue
		}
		inputs[at.input] = true
		text := k.Difference(ofA[at], o)
		if text == "" || seen[at.input] {
			continue
		}
		seen[at.input] = true
		if first := ofA[key{at.input, 0}]; k.Difference(first, ofA[at]) != "" {
			text += " (A differs from itself between repeats: it uses chance or the clock)"
		}
		lines = append(lines, fmt.Sprintf("%s: %s", at.input, text))
	}
	return lines, len(inputs)
}

// sizes are what the kernel made of the programs of either side.
func sizes(a, b *record.Run) (out []page.Size) {
	row := func(name string) *page.Size {
		i := slices.IndexFunc(out, func(s page.Size) bool { return s.Program == name })
		if i < 0 {
			i, out = len(out), append(out, page.Size{Program: name})
		}
		return &out[i]
	}
	first := func(r *record.Run) (all []prog.Size) {
		for _, t := range r.Trials {
			if all = prog.ReadSizes(t.Result.Series); len(all) > 0 {
				return all
			}
		}
		return nil
	}
	ofA, ofB := first(a), first(b)
	alone := len(ofA) == 1 && len(ofB) == 1 // whatever their names are
	for _, s := range ofA {
		r := row(s.Program)
		r.VerifiedA, r.NativeA = s.Verified, s.Native
	}
	for _, s := range ofB {
		r := row(s.Program)
		if alone {
			if r = &out[0]; r.Program != s.Program {
				out = out[:1]
				r = &out[0]
				r.Program += " | " + s.Program
			}
		}
		r.VerifiedB, r.NativeB = s.Verified, s.Native
	}
	return out
}

// progAnswer adds to an answer what programs by themselves have: outputs and sizes. It returns an error if the outputs differ.
func (p *pair) progAnswer(ab *page.AB, f progFlags, a, b *record.Run) error {
	if p.kind == nil {
		return nil
	}
	ab.Sizes = sizes(a, b)
	lines, compared := differences(*p.kind, a, b)
	switch {
	case compared == 0:
		ab.Gates = append(ab.Gates, "outputs: none of both to compare")
		return nil
	case len(lines) == 0:
		ab.Gates = append(ab.Gates, fmt.Sprintf("outputs: equal for %d of %s", compared, harness.Plural(compared, "input")))
		return nil
	}
	ab.Gates = append(ab.Gates, fmt.Sprintf("outputs: they differ for %d of %s (A | B)", len(lines), harness.Plural(compared, "input")))
	ab.Differences, ab.Allowed = lines, f.allowDifference
	if f.allowDifference {
		return nil
	}
	return outputsDiffer(len(lines), compared, lines[0])
}

func outputsDiffer(differ, compared int, first string) error {
	return fmt.Errorf("the outputs of A and B %w for %d of %s, the first %s; --allow-difference if that is meant", errDiffer, differ, harness.Plural(compared, "input"), first)
}

// progOnly returns an error if flags for programs by themselves were given for another pair.
func (p *pair) progOnly(f progFlags) error {
	if name := f.used(); p.kind == nil && name != "" {
		return usage(fmt.Errorf("%s: only for programs by themselves; this pair is measured by experiment %s (--like prog measures both by themselves)", name, p.experiment.Name))
	}
	return nil
}
