// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
)

// prune leaves out the words that a definition has from its parent on variants, classes and workloads that it has not. A variant of its
// own that is like another takes part wherever the parent names that one in only.
func (t *tree) prune(out, root *yaml.Node, e harness.Experiment) {
	variants := items(out, "variants")
	names := namesOf(variants)
	classes := harness.Map(variants, func(v *yaml.Node) string { return text(v, "class") })
	t.filter(out, root, "workloads", func(w *yaml.Node) *yaml.Node {
		old := items(w, "classes")
		list := harness.Filter(old, func(c *yaml.Node) bool { return slices.Contains(classes, target(c).Value) })
		if len(list) == len(old) {
			return w
		}
		if len(list) == 0 {
			return nil
		}
		w = t.without(w)
		set(w, "classes", t.list(nil, list))
		return w
	})
	workloads := namesOf(items(out, "workloads"))
	like := map[string][]string{}
	for _, v := range e.Variants {
		like[v.Like] = append(like[v.Like], v.Name)
	}
	has := func(word string, of []string) bool { return word == "" || slices.Contains(of, word) }
	// only is an item with its list of variants as they are now; nil if none of them is left.
	only := func(item *yaml.Node, key string, stand bool) *yaml.Node {
		old := items(item, key)
		if len(old) == 0 {
			return item
		}
		var list []*yaml.Node
		add := func(name string) {
			if slices.Contains(names, name) && !slices.ContainsFunc(list, func(n *yaml.Node) bool { return n.Value == name }) {
				list = append(list, scalar(name))
			}
		}
		for _, n := range old {
			add(target(n).Value)
			if stand {
				for _, name := range like[target(n).Value] {
					add(name)
				}
			}
		}
		if len(list) == 0 {
			return nil
		}
		item = t.without(item)
		set(item, key, t.list(nil, list))
		return item
	}
	t.filter(out, root, "profiles", func(p *yaml.Node) *yaml.Node {
		p = t.without(p)
		t.filter(p, nil, "workloads", func(w *yaml.Node) *yaml.Node {
			if !has(text(w, "name"), workloads) {
				return nil
			}
			return only(w, "only", true)
		})
		if len(items(p, "workloads")) == 0 {
			return nil
		}
		return p
	})
	t.filter(out, root, "plots", func(p *yaml.Node) *yaml.Node {
		if !has(text(p, "workload"), workloads) || !has(text(p, "class"), classes) {
			return nil
		}
		return only(p, "only", true)
	})
	t.filter(out, root, "answers", func(a *yaml.Node) *yaml.Node {
		if !has(text(a, "workload"), workloads) {
			return nil
		}
		if a = only(a, "of", true); a == nil {
			return nil
		}
		return only(a, "over", false)
	})
	if value(root, "answerplot") == nil && !has(text(out, "answerplot"), namesOf(items(out, "plots"))) {
		set(out, "answerplot", scalar(""))
	}
	t.filter(out, root, "laws", func(l *yaml.Node) *yaml.Node {
		if !has(text(l, "workload"), workloads) {
			return nil
		}
		return only(l, "variants", false)
	})
	t.filter(out, root, "scores", func(s *yaml.Node) *yaml.Node {
		if !has(text(s, "workload"), workloads) || !has(text(s, "variant"), names) || !has(text(s, "over"), names) {
			return nil
		}
		return s
	})
	if value(root, "aa") == nil && !has(text(out, "aa"), names) && len(names) > 0 {
		set(out, "aa", scalar(names[0]))
	}
	if value(root, "baseline") == nil && !has(text(out, "baseline"), names) && len(names) > 0 {
		set(out, "baseline", scalar(names[0]))
	}
}

// filter replaces the items of a list, unless the definition gives the list itself.
func (t *tree) filter(out, root *yaml.Node, key string, change func(*yaml.Node) *yaml.Node) {
	old := value(out, key)
	if old == nil || root != nil && value(root, key) != nil {
		return
	}
	var list []*yaml.Node
	for _, item := range target(old).Content {
		if item = change(item); item != nil {
			list = append(list, item)
		}
	}
	set(out, key, t.list(old, list))
}
