// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"cmp"
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
)

// Parse reads one definition strictly. Errors begin with file, line and column and name the item. Paths in it are relative to the
// file's folder.
func Parse(name string, raw []byte, v Vocabulary) (harness.Experiment, error) {
	return parse(&file{name: name, user: true}, raw, v)
}

func parse(f *file, raw []byte, v Vocabulary) (harness.Experiment, error) {
	t := newTree()
	root, err := t.resolve(f, raw, []string{f.id()})
	if err != nil {
		return harness.Experiment{}, err
	}
	var e harness.Experiment
	if err = decode(root, &e); err == nil {
		e.Family = cmp.Or(e.Family, e.Name)
		err = check(e, v)
	}
	if err == nil {
		err = t.checkObjects(root, &e, v)
	}
	if err == nil {
		err = t.readCommands(&e)
	}
	if err != nil {
		return harness.Experiment{}, t.locate(root, err)
	}
	return e, nil
}

// resolve reads a definition and carries out extends, keep, like and objectsof. chain are the definitions that led here.
func (t *tree) resolve(f *file, raw []byte, chain []string) (*yaml.Node, error) {
	root, err := t.parse(f, raw)
	if err != nil {
		return nil, err
	}
	out, err := t.expand(f, root, chain)
	return out, t.locate(root, err)
}

func (t *tree) expand(f *file, root *yaml.Node, chain []string) (*yaml.Node, error) {
	var e harness.Experiment
	if err := decode(root, &e); err != nil {
		return nil, err
	}
	t.placePaths(f, root)
	var parent *yaml.Node
	switch {
	case e.Extends != "":
		var err error
		if parent, err = t.parent(f, e.Extends, chain); err != nil {
			return nil, at(in("extends", err), "extends")
		}
	case len(e.Keep) > 0:
		return nil, at(errors.New("keep: it names variants of the definition that extends names, and there is no extends"), "keep")
	}
	root, err := t.likes(root, parent)
	if err == nil && parent != nil {
		root, err = t.extend(root, parent, e)
	}
	if err == nil && len(e.ObjectsOf) > 0 {
		root, err = t.addObjects(root, e)
	}
	return root, err
}

// checkObjects checks the objects of variants of the user's, and that they have the knobs. Knobs that a variant has by like alone
// and its object lacks are left out.
func (t *tree) checkObjects(root *yaml.Node, e *harness.Experiment, v Vocabulary) error {
	if v.Object == nil {
		return nil
	}
	nodes := items(root, "variants")
	for i := range e.Variants {
		o := &e.Variants[i]
		f := t.files[target(nodes[i])]
		if f == nil || !f.user || o.Object == "" && o.Source == "" {
			continue
		}
		known, err := v.Object(*o)
		if err == nil {
			o.Knobs = slices.DeleteFunc(slices.Clone(o.Knobs), func(k harness.Knob) bool {
				return slices.Contains(t.inherited[o.Name], k.Name) && !slices.Contains(known, k.Name)
			})
			err = at(first(o.Knobs, func(k harness.Knob) error {
				return at(harness.Known("knob of "+cmp.Or(o.Source, o.Object), k.Name, known), "name")
			}), "knobs")
		} else if o.Source != "" {
			err = at(in("source", err), "source")
		} else {
			err = at(in("object", err), "object")
		}
		if err != nil {
			return in("variant "+o.Name, at(err, "variants", i))
		}
	}
	return nil
}

// attachLoad is the method that loads an object and attaches it to nothing.
const attachLoad = "load"

// everyExperiment, as the only name in ObjectsOf, stands for all other shipped experiments.
const everyExperiment = "all"

// addObjects adds variants for the objects of the experiments in ObjectsOf. It reads their files only: objects that they in
// turn take from others are not added.
func (t *tree) addObjects(root *yaml.Node, e harness.Experiment) (*yaml.Node, error) {
	from := e.ObjectsOf
	every := slices.Equal(from, []string{everyExperiment})
	if every {
		from = slices.DeleteFunc(Names(), func(name string) bool { return name == e.Name })
	}
	variants := slices.Clone(items(root, "variants"))
	for i, name := range from {
		if err := harness.Known("experiment", name, Names()); err != nil {
			return nil, at(in("objectsof", err), "objectsof", i)
		}
		raw, err := files.ReadFile(name + suffix)
		if err != nil {
			return nil, err
		}
		other, err := t.parse(shipped(name), raw)
		if err != nil {
			return nil, err
		}
		if every && text(other, "faulty") == "true" {
			continue
		}
		for _, v := range items(other, "variants") {
			if text(v, "object") == "" {
				continue
			}
			mine := t.without(v, "class", "attach", "settings", "original", "control")
			set(mine, "class", scalar(name))
			set(mine, "attach", scalar(attachLoad))
			variants = append(variants, mine)
		}
	}
	out := t.without(root, "objectsof")
	set(out, "variants", t.list(value(root, "variants"), variants))
	return out, nil
}
