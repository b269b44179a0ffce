// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// parent opens the definition that one extends.
func (t *tree) parent(child *file, name string, chain []string) (*yaml.Node, error) {
	f := shipped(name)
	var raw []byte
	var err error
	if IsPath(name) {
		f = &file{name: child.beside(name), user: true}
		raw, err = sys.ReadRegular(f.name, maxFile)
	} else if err = harness.Known("experiment", name, Names()); err == nil {
		raw, err = files.ReadFile(name + suffix)
	}
	if err != nil {
		return nil, err
	}
	if slices.Contains(chain, f.id()) {
		return nil, fmt.Errorf("in a circle: %s", strings.Join(append(chain, f.id()), " extends "))
	}
	root, err := t.resolve(f, raw, append(slices.Clone(chain), f.id()))
	if err == nil && value(root, "family") == nil {
		set(root, "family", scalar(text(root, "name")))
	}
	return root, err
}

// placePaths makes the paths of a definition's objects, sources and programs start at the folder that the program stands in.
func (t *tree) placePaths(f *file, root *yaml.Node) {
	if !f.user {
		return
	}
	seen := map[*yaml.Node]bool{}
	for _, v := range items(root, "variants") {
		if v = target(v); seen[v] {
			continue
		}
		seen[v] = true
		t.placeCommand(f, v)
		for _, key := range []string{"object", "source"} {
			old := value(v, key)
			if old == nil || text(v, key) == "" || key == "object" && !IsObjectPath(text(v, key)) {
				continue
			}
			placed := *target(old)
			placed.Value, placed.Line, placed.Column = f.beside(placed.Value), old.Line, old.Column
			t.files[&placed] = f
			set(v, key, &placed)
		}
	}
}

// extend gives a definition what it lacks and its parent has. Of variants it has its own and those kept; one of its own takes
// the place of one of the parent's of the same name. The parent's words on variants and workloads that are not there any more are
// left out.
func (t *tree) extend(root, parent *yaml.Node, e harness.Experiment) (*yaml.Node, error) {
	out := t.without(root, "extends", "keep")
	if value(root, "name") == nil {
		return nil, at(harness.CheckName("experiment", ""), "name")
	}
	variants, err := t.keep(root, parent, e.Keep)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(parent.Content); i += 2 {
		key, v := parent.Content[i].Value, parent.Content[i+1]
		switch own := value(root, key); {
		case key == "variants":
		case own == nil:
			set(out, key, v)
		case key == "guest":
			set(out, key, t.fill(own, v))
		}
	}
	set(out, "variants", t.list(value(root, "variants"), variants))
	t.prune(out, root, e)
	return out, nil
}

// fill is a mapping with the keys of another that it lacks.
func (t *tree) fill(own, from *yaml.Node, but ...string) *yaml.Node {
	out := t.without(own)
	from = target(from)
	for i := 0; i+1 < len(from.Content); i += 2 {
		if key := from.Content[i].Value; value(out, key) == nil && !slices.Contains(but, key) {
			set(out, key, from.Content[i+1])
		}
	}
	return out
}

// keep are the variants of the parent that are kept, and the definition's own.
func (t *tree) keep(root, parent *yaml.Node, names []string) ([]*yaml.Node, error) {
	theirs, own := items(parent, "variants"), slices.Clone(items(root, "variants"))
	all := namesOf(theirs)
	if len(names) == 0 {
		names = all
	}
	var out []*yaml.Node
	for i, name := range names {
		err := harness.Known("variant", name, all)
		if err == nil && slices.Contains(names[:i], name) {
			err = fmt.Errorf("variant %q is given twice", name)
		}
		if err != nil {
			return nil, at(in("keep", err), "keep", i)
		}
		if mine := slices.Index(namesOf(own), name); mine >= 0 {
			out = append(out, own[mine])
			own = slices.Delete(own, mine, mine+1)
			continue
		}
		v := theirs[slices.Index(all, name)]
		if original := text(v, "original"); original != "" && !slices.Contains(names, original) {
			v = t.without(v, "original", "control")
		}
		out = append(out, v)
	}
	return append(out, own...), nil
}

func namesOf(items []*yaml.Node) []string {
	return harness.Map(items, func(n *yaml.Node) string { return text(n, "name") })
}

// likes gives each variant the fields of the one that it is like.
func (t *tree) likes(root, parent *yaml.Node) (*yaml.Node, error) {
	own := items(root, "variants")
	var theirs []*yaml.Node
	if parent != nil {
		theirs = items(parent, "variants")
	}
	var variants []*yaml.Node
	for i, v := range own {
		v, err := t.like(v, own, theirs, nil)
		if err != nil {
			return nil, in("variant "+text(own[i], "name"), at(in("like", err), "variants", i, "like"))
		}
		variants = append(variants, v)
	}
	if len(own) == 0 {
		return root, nil
	}
	out := t.without(root)
	set(out, "variants", t.list(value(root, "variants"), variants))
	return out, nil
}

// like is a variant with the fields of the one that it is like.
func (t *tree) like(v *yaml.Node, own, theirs []*yaml.Node, seen []*yaml.Node) (*yaml.Node, error) {
	name := text(v, "like")
	if name == "" {
		return v, nil
	}
	seen = append(seen, v)
	if slices.Index(seen, v) < len(seen)-1 {
		return nil, fmt.Errorf("in a circle: %s", strings.Join(namesOf(seen), " is like "))
	}
	named := func(n *yaml.Node) bool { return n != v && text(n, "name") == name }
	base, ok := harness.Find(own, named)
	if !ok {
		if base, ok = harness.Find(theirs, named); !ok {
			return nil, harness.Known("variant", name, slices.DeleteFunc(append(namesOf(own), namesOf(theirs)...), func(s string) bool { return s == text(v, "name") }))
		}
	}
	base, err := t.like(base, own, theirs, seen)
	if err != nil {
		return nil, err
	}
	but := []string{"name", "like", "original", "control", "hue", "knobs", "settings"}
	if program := value(v, "object"); program != nil || value(v, "source") != nil {
		but = append(but, "object", "source", "about")
	}
	out := t.fill(t.without(v, "like"), base, but...)
	if value(out, "about") == nil {
		set(out, "about", scalar("in the place of "+name))
	}
	for _, key := range []string{"knobs", "settings"} {
		mine := items(v, key)
		merged := slices.Clone(mine)
		for _, k := range items(base, key) {
			if !slices.Contains(namesOf(mine), text(k, "name")) {
				merged = append(merged, k)
				if key == "knobs" {
					t.inherited[text(v, "name")] = append(t.inherited[text(v, "name")], text(k, "name"))
				}
			}
		}
		if len(merged) > 0 {
			set(out, key, t.list(value(v, key), merged))
		}
	}
	return out, nil
}
