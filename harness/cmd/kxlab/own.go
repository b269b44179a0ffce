// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/source"
)

// withObjects are words whose definitions have their objects read and their sources compiled when they are opened.
func withObjects(ctx context.Context, words experiments.Vocabulary, clang string) experiments.Vocabulary {
	read := map[string]*ebpf.CollectionSpec{}
	words.Object = func(v harness.Variant) ([]string, error) {
		name := cmp.Or(v.Source, v.Object)
		spec := read[name]
		if spec == nil {
			var err error
			if spec, err = openOwn(ctx, v, clang); err != nil {
				return nil, withCode(codeFailed, err)
			}
			read[name] = spec
		}
		if err := suits(v.Attach, bpfobj.KindOf(spec)); err != nil {
			return nil, err
		}
		if err := bpfobj.Check(name, spec); err != nil {
			return nil, withCode(codeFailed, err)
		}
		return bpfobj.Knobs(spec), nil
	}
	return words
}

// openOwn opens the object of a variant, and makes it known if the lab does not have it.
func openOwn(ctx context.Context, v harness.Variant, clang string) (*ebpf.CollectionSpec, error) {
	if v.Source == "" && !experiments.IsObjectPath(v.Object) {
		if err := harness.Known("BPF object", v.Object, bpf.Names()); err != nil {
			return nil, usage(err)
		}
		return bpf.Open(v.Object)
	}
	name := cmp.Or(v.Source, v.Object)
	switch {
	case v.Source != "" && !strings.HasSuffix(name, ".c"):
		return nil, usage(fmt.Errorf("%s does not end in .c; objects are named by object", name))
	case v.Source == "" && !strings.HasSuffix(name, ".o"):
		return nil, usage(fmt.Errorf("%s does not end in .o; sources are named by source", name))
	}
	o, err := source.Open(ctx, name, clang)
	if err != nil {
		return nil, err
	}
	bpf.Add(name, o.Raw)
	return o.Spec, nil
}

// kinds are the kinds of objects that methods put in force; "": none. A method that is not here takes what it takes.
var kinds = map[string]string{
	"sched_ext": bpfobj.KindSched, "struct_ops": bpfobj.KindCC, "xdp": "a program of type XDP", "tcx": "a program of type SchedCLS",
	"eevdf": "", "tcp-cc": "", "iptables": "", "iptables-nft": "", "nftables": "", "ipvs-nat": "", "ipvs-tun": "", "ipvs-dr": "",
}

// suits returns an error if a method does not put objects of the kind in force.
func suits(method, kind string) error {
	want, known := kinds[method]
	switch {
	case !known || want == kind:
		return nil
	case want == "":
		return fmt.Errorf("attach: %s puts no BPF object in force: give another attach, or be like a variant that has an object", method)
	}
	return fmt.Errorf("it is %s, and attach: %s puts %s in force", kind, method, want)
}

// adopt makes variants of a definition's own sources and objects name them as the lab does, has their family check them, and returns these
// objects.
func adopt(words experiments.Vocabulary, e harness.Experiment) (harness.Experiment, map[string][]byte, error) {
	e.Variants = slices.Clone(e.Variants)
	objects := map[string][]byte{}
	for i := range e.Variants {
		v := &e.Variants[i]
		if v.Source == "" && !experiments.IsObjectPath(v.Object) {
			continue
		}
		v.Object, v.Source = cmp.Or(v.Source, v.Object), ""
		raw, err := bpf.Bytes(v.Object)
		if err != nil {
			return e, nil, fmt.Errorf("variant %s: %w", v.Name, err)
		}
		if err := harness.CheckVariant(words.Families[e.Family], *v); err != nil {
			return e, nil, withCode(codeFailed, fmt.Errorf("variant %s: %w", v.Name, err))
		}
		objects[v.Object] = raw
	}
	return e, objects, nil
}

// addFolders adds the programs of folders to an experiment: each takes the place of a variant of the lab, as in ab. One that belongs to
// another experiment, or to none, is left out and said so.
func addFolders(ctx context.Context, s streams, words experiments.Vocabulary, e harness.Experiment, dirs []string, clang string) (harness.Experiment, error) {
	e.Variants = slices.Clone(e.Variants)
	for _, dir := range dirs {
		paths, err := source.Folder(dir)
		if err != nil {
			return e, usage(fmt.Errorf("--with: %w", err))
		}
		added := 0
		for _, path := range paths {
			o, err := source.Open(ctx, path, clang)
			if err != nil {
				return e, err
			}
			if err := bpfobj.Check(path, o.Spec); err != nil {
				return e, err
			}
			place, err := placeOf(words, o, "")
			if errors.Is(err, errNoPlace) {
				s.note("%s: left out: whose place it takes does not follow from the object; a definition with like says so", path)
				continue
			}
			if err != nil {
				return e, err
			}
			v := place.variant
			if place.experiment != e.Family {
				s.note("%s: left out: it belongs to %s", path, place.experiment)
				continue
			}
			if slices.Contains(e.VariantNames(), v.Name) {
				return e, usage(fmt.Errorf("%s: %s has a variant %s already: give the file another name", path, e.Name, v.Name))
			}
			v.Object, v.About = path, "from "+path
			if strings.HasSuffix(path, ".c") {
				v.Object, v.Source = "", path
			}
			bpf.Add(path, o.Raw)
			e.Variants = append(e.Variants, v)
			added++
		}
		if added == 0 {
			return e, usage(fmt.Errorf("--with %s: none of its programs belongs to %s", dir, e.Name))
		}
	}
	return e, nil
}

// inFolders is the path of the program of that name in the folders, with the word's knobs, or the word itself.
func inFolders(dirs []string, word string) (string, error) {
	name, knobs, more := cutKnobs(word)
	if source.Is(name) {
		return word, nil
	}
	for _, dir := range dirs {
		paths, err := source.Folder(dir)
		if err != nil {
			return "", usage(fmt.Errorf("--with: %w", err))
		}
		if path, ok := harness.Find(paths, func(p string) bool { return source.Name(p) == name }); ok {
			if more {
				path += "," + knobs
			}
			return path, nil
		}
	}
	return word, nil
}
