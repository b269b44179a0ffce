// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/source"
)

// A pair is two implementations to be held against one another, and the experiment that does so.
type pair struct {
	words      [2]string // as the user named them
	a, b       harness.Variant
	experiment harness.Experiment
	objects    map[string][]byte // that the lab does not have
	kind       *prog.Kind        // of two programs by themselves; else nil
	single     bool              // A alone, on several kernels: B is A on a later one
}

// A side is what one word means.
type side struct {
	variant    harness.Variant // of the lab, or what an object takes the place of
	experiment string
	object     *source.Object // nil: the lab's
}

// abExperiments are those whose variants have places for objects.
var abExperiments = []string{"lb", "cc", "sched", progExperiment}

// variantExperiments are those whose variants can be held against one another: the first with a name has the variant of that name.
var variantExperiments = append(abExperiments[:len(abExperiments):len(abExperiments)], "proxy", "swap", "objects")

// openPair resolves A and B, and compiles what is a source, before anything is made.
func openPair(ctx context.Context, words experiments.Vocabulary, f abFlags, a, b string) (*pair, error) {
	if f.like != "" && f.like != progExperiment {
		if _, err := findVariant(words, f.like); err != nil {
			return nil, usage(fmt.Errorf("--like: %w", err))
		}
	}
	var sides [2]side
	named, knobs, more := [2]string{a, b}, [2]string{}, [2]bool{}
	for i, word := range named {
		if named[i], knobs[i], more[i] = cutKnobs(word); !source.Is(named[i]) {
			s, err := openVariant(words, word)
			if err != nil {
				return nil, usage(err)
			}
			sides[i] = s
			continue
		}
		o, err := source.Open(ctx, named[i], f.clang)
		if err == nil {
			err = bpfobj.Check(named[i], o.Spec)
		}
		if err != nil {
			return nil, err
		}
		sides[i].object = o
	}
	if err := sameKind(sides[0].object, sides[1].object); err != nil {
		return nil, usage(err)
	}
	for i := range sides {
		own := sides[i].object
		switch {
		case f.like == progExperiment:
			s, err := sides[i].byItself(named[i])
			if err != nil {
				return nil, usage(err)
			}
			sides[i] = s
		case own != nil:
			other := sides[1-i]
			place := f.like
			if place == "" && other.object == nil && !other.kernels() {
				place = other.variant.Name
			}
			s, err := placeOf(words, own, place)
			if err != nil {
				return nil, err
			}
			sides[i] = s
		}
		if own != nil && more[i] {
			v := &sides[i].variant
			var err error
			if v.Knobs, err = withKnobs(v.Knobs, knobs[i], named[i], bpfobj.Knobs(own.Spec)); err != nil {
				return nil, usage(err)
			}
		}
	}
	if err := together(words, &sides); err != nil {
		return nil, err
	}
	if x, y := sides[0].experiment, sides[1].experiment; x != y {
		return nil, usage(fmt.Errorf("A belongs to experiment %s and B to %s: they do not do the same work", x, y))
	}
	if x, y := sides[0].variant.Class, sides[1].variant.Class; x != y && sides[0].experiment != progExperiment {
		err := fmt.Errorf("A is of class %s and B of class %s: they do not do the same work", x, y)
		if sides[0].object == nil && sides[1].object == nil {
			err = fmt.Errorf("%w; one table shows both: kxlab run %s --variants %s,%s", err, sides[0].experiment, sides[0].variant.Name, sides[1].variant.Name)
		}
		return nil, usage(err)
	}
	e, err := open(sides[0].experiment, words)
	if err != nil {
		return nil, err
	}
	p := &pair{words: [2]string{a, b}, objects: map[string][]byte{}}
	p.a, p.b = sides[0].variant, sides[1].variant
	for i, v := range []*harness.Variant{&p.a, &p.b} {
		if o := sides[i].object; o != nil {
			v.Object = o.From
			p.objects[v.Object] = o.Raw
			bpf.Add(v.Object, o.Raw)
		}
		if more[i] {
			if err := bpfobj.CheckKnobs(v.Object, v.Knobs); err != nil {
				return nil, usage(fmt.Errorf("%s: %w", p.words[i], err))
			}
		}
	}
	if p.a.Name == p.b.Name {
		p.b.Name += "-b"
	}
	if p.a.Attach == prog.MethodRun {
		p.a.Class, p.b.Class = progExperiment, progExperiment
	}
	e.Variants, e.AA, e.Baseline, e.Scores, e.Laws, e.Plots = []harness.Variant{p.a, p.b}, p.a.Name, p.a.Name, nil, nil, nil
	e.Answers, e.AnswerPlot = nil, ""
	p.a.About, p.b.About = "", ""
	for i := range e.Profiles {
		for k := range e.Profiles[i].Workloads {
			e.Profiles[i].Workloads[k].Only = nil
		}
	}
	p.experiment = e
	if p.a.Attach == prog.MethodRun {
		if err := p.runPrograms(f.progFlags); err != nil {
			return nil, err
		}
	}
	return p, p.progOnly(f.progFlags)
}

// sameKind returns an error for two objects of the user's of which only one is a scheduler or a congestion control, whatever places they
// could take. Of others the programs that are chosen decide.
func sameKind(a, b *source.Object) error {
	if a == nil || b == nil {
		return nil
	}
	x, y := bpfobj.KindOf(a.Spec), bpfobj.KindOf(b.Spec)
	if own := []string{bpfobj.KindCC, bpfobj.KindSched}; x == y || !slices.Contains(own, x) && !slices.Contains(own, y) {
		return nil
	}
	return fmt.Errorf("A is %s and B is %s: they do not do the same work", x, y)
}

// alone are the pair's experiments with one variant each, of the same name. On target exact that is what makes the guests of both
// alike in all but the program: a name, a place on the segment and a neighbour's hash cost instructions, too.
func (p *pair) alone() []harness.Experiment {
	out := []harness.Experiment{p.experiment, p.experiment}
	for i, v := range []harness.Variant{p.a, p.b} {
		v.Name = p.a.Name
		out[i].Variants = []harness.Variant{v}
	}
	return out
}

// objectsOf are the objects of one of so many runs of the pair. Where each side has a run of its own, the other's object is there as
// zeros, and both are filled up to a multiple of objectStep: the guests of both sides read as much, and those of the side that stays the
// same when the other is edited have the same vm.Cmd.Digest.
func (p *pair) objectsOf(side, runs int) map[string][]byte {
	if runs == 1 || len(p.objects) == 0 {
		return p.objects
	}
	mine := []string{p.a.Object, p.b.Object}[side]
	out := map[string][]byte{}
	for name, raw := range p.objects {
		filled := make([]byte, (len(raw)+objectStep-1)/objectStep*objectStep)
		if name == mine {
			copy(filled, raw)
		}
		out[name] = filled
	}
	return out
}

// objectStep is what the length of an object in a job is a multiple of, bytes. A scheduler with its debug information has 150 KiB.
const objectStep = 256 << 10

// order is in which order the runs of a pair are made: a program of the user's is the likelier one to fail, and comes first; of two, B,
// which is the new one.
func (p *pair) order(runs int) []int {
	if runs == 2 && p.objects[p.b.Object] != nil {
		return []int{1, 0}
	}
	return []int{0, 1}[:runs]
}

// together makes two sides of different experiments be of one that measures both: of the one in which the other's variant stands, too, or else,
// if both are of one family, of B's.
func together(words experiments.Vocabulary, sides *[2]side) error {
	var has [2]bool // the experiment of this side has the variant of the other
	var of [2]harness.Experiment
	for i := range sides {
		if sides[i].experiment == sides[1-i].experiment {
			return nil
		}
		var err error
		if of[i], err = open(sides[i].experiment, words); err != nil {
			return err
		}
		other := sides[1-i]
		has[i] = slices.ContainsFunc(of[i].Variants, func(v harness.Variant) bool {
			return v.Name == other.variant.Name || other.object != nil && v.Attach == other.variant.Attach && v.Class == other.variant.Class
		})
	}
	switch {
	case has[1] || !has[0] && of[0].Family == of[1].Family:
		sides[0].experiment = sides[1].experiment
	case has[0]:
		sides[1].experiment = sides[0].experiment
	}
	return nil
}

// openVariant reads NAME or NAME,KNOB=VALUE,….
func openVariant(words experiments.Vocabulary, word string) (side, error) {
	name, knobs, more := cutKnobs(word)
	if file, variant, ok := strings.Cut(word, ".yaml:"); ok {
		return findVariantOf(words, variant, file+".yaml")
	}
	s, err := findVariant(words, name)
	if err != nil && strings.ContainsAny(name, "/.") {
		return s, fmt.Errorf("%s: it is no variant of the lab, and names of sources and objects end in .c and .o; one of a definition is FILE.yaml:VARIANT", word)
	}
	if err != nil || !more {
		return s, err
	}
	var known []string
	if spec, err := bpf.Open(s.variant.Object); err == nil {
		known = bpfobj.Knobs(spec)
	}
	s.variant.Knobs, err = withKnobs(s.variant.Knobs, knobs, name, known)
	return s, err
}

// findVariant finds a variant of the lab.
func findVariant(words experiments.Vocabulary, name string) (side, error) {
	return findVariantOf(words, name, variantExperiments...)
}

// findVariantOf finds a variant of some experiments.
func findVariantOf(words experiments.Vocabulary, name string, of ...string) (side, error) {
	var all []string
	for _, x := range of {
		e, err := open(x, words)
		if err != nil {
			return side{}, err
		}
		for _, v := range e.Variants {
			if v.Name == name {
				v.Original, v.Control = "", false
				if e.Family == "cc" && v.Object == "" { // the name may become another
					v.Algorithm = cmp.Or(v.Algorithm, v.Name)
				}
				return side{variant: v, experiment: x}, nil
			}
			if !slices.Contains(all, v.Name) {
				all = append(all, v.Name)
			}
		}
	}
	return side{}, harness.Known("variant", name, all)
}

// kernels reports whether the variant is a scheduler or a congestion control of the kernel's own: its place has no room for an object,
// and every object of that kind is measured alike.
func (s side) kernels() bool {
	return s.variant.Object == "" && (s.experiment == "cc" || s.experiment == "sched")
}

// errNoPlace says that nothing tells what an object is to be measured as.
var errNoPlace = errors.New("whose place it takes does not follow from the object: name a variant of the lab by --like")

// placeOf puts an object in the place of a variant: of the named one, or of what follows from the object.
func placeOf(words experiments.Vocabulary, o *source.Object, like string) (side, error) {
	kind := bpfobj.KindOf(o.Spec)
	if like == "" {
		var err error
		if like, err = placeByName(words, o, kind); errors.Is(err, errNoPlace) && runsAlone(o) {
			return side{object: o}.byItself(o.From)
		}
		if err != nil {
			return side{}, usage(fmt.Errorf("%s: %w", o.From, err))
		}
	}
	s, err := findVariant(words, like)
	if err != nil {
		return s, usage(err)
	}
	if s.experiment == progExperiment {
		return side{object: o}.byItself(o.From)
	}
	if want := kindOfVariant(s); want != kind {
		return s, usage(fmt.Errorf("%s: it is %s, and %s is %s: name another variant by --like", o.From, kind, like, want))
	}
	if s.kernels() {
		return s, usage(fmt.Errorf("%s: %s is the kernel's own and has no place for an object: name another variant by --like", o.From, like))
	}
	s.object = o
	if n := len(o.Spec.Programs); n != 1 && (s.variant.Attach == "xdp" || s.variant.Attach == "tcx") {
		return s, usage(fmt.Errorf("%s: it has %d programs, and in the place of %s stands one: name another variant by --like", o.From, n, like))
	}
	known := bpfobj.Knobs(o.Spec)
	s.variant.Knobs = slices.DeleteFunc(slices.Clone(s.variant.Knobs), func(k harness.Knob) bool { return !slices.Contains(known, k.Name) })
	s.variant.Name = o.Name
	if harness.CheckName("variant", o.Name) != nil {
		s.variant.Name = "own"
	}
	return s, nil
}

// placeByName is the variant whose object is called as this one; else, of a congestion control or a scheduler, the plainest one.
func placeByName(words experiments.Vocabulary, o *source.Object, kind string) (string, error) {
	for _, x := range abExperiments {
		e, err := open(x, words)
		if err != nil {
			return "", err
		}
		for _, v := range e.Variants {
			if _, base, _ := strings.Cut(v.Object, "/"); base == o.Name {
				return v.Name, nil
			}
		}
	}
	switch kind {
	case bpfobj.KindCC:
		return "bpf-reno", nil
	case bpfobj.KindSched:
		return "scx-fifo", nil
	}
	if names := placesOf(words, kind); len(names) > 0 {
		return "", fmt.Errorf("%w, as --like %s; it is %s, which could be %s", errNoPlace, names[0], kind, strings.Join(names, ", "))
	}
	return "", errNoPlace
}

// placesOf are the balancers whose object is of the kind.
func placesOf(words experiments.Vocabulary, kind string) (names []string) {
	e, err := open("lb", words)
	if err != nil {
		return nil
	}
	var objects []string
	for _, v := range e.Variants {
		if v.Class != "ceiling" && v.Class != "broken" && !slices.Contains(objects, v.Object) && kindOfVariant(side{variant: v}) == kind {
			names, objects = append(names, v.Name), append(objects, v.Object)
		}
	}
	return names
}

// kindOfVariant is the kind of object that a variant of the lab has, or could have.
func kindOfVariant(s side) string {
	switch s.experiment {
	case "cc":
		return bpfobj.KindCC
	case "sched":
		return bpfobj.KindSched
	}
	spec, err := bpf.Open(s.variant.Object)
	if err != nil {
		return "no BPF object"
	}
	return bpfobj.KindOf(spec)
}
