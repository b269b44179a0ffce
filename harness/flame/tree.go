// SPDX-License-Identifier: Apache-2.0

package flame

import (
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/profile"
)

// A node is a frame with the frames that stand on it.
type node struct {
	name     string
	kind     profile.FrameKind
	values   [2]float64 // in A and B; of a single profile B is 0
	width    float64    // sum of the larger of both values over the stacks
	children []*node    // sorted by name
}

// newTree joins the stacks of one or two profiles. Values are scaled.
func newTree(profiles ...profile.Profile) *node {
	stacks := map[string][2]float64{}
	for i, p := range profiles {
		scale, _ := p.Scale()
		for _, s := range p.Stacks {
			v := stacks[s.Folded]
			v[i] += s.Value * scale
			stacks[s.Folded] = v
		}
	}
	root := &node{name: "all", kind: profile.Task}
	for _, folded := range slices.Sorted(maps.Keys(stacks)) {
		v := stacks[folded]
		at := root
		at.add(v)
		for i, frame := range strings.Split(folded, ";") {
			at = at.child(frame, i == 0)
			at.add(v)
		}
	}
	root.sort()
	return root
}

func (n *node) add(v [2]float64) {
	n.values[0] += v[0]
	n.values[1] += v[1]
	n.width += max(v[0], v[1])
}

func (n *node) child(frame string, task bool) *node {
	kind, name := profile.KindOf(frame)
	if task {
		kind = profile.Task
	}
	for _, c := range n.children {
		if c.name == name && c.kind == kind {
			return c
		}
	}
	c := &node{name: name, kind: kind}
	n.children = append(n.children, c)
	return c
}

func (n *node) sort() {
	slices.SortFunc(n.children, func(a, b *node) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return int(a.kind) - int(b.kind)
	})
	for _, c := range n.children {
		c.sort()
	}
}

// depth is how many frames stand on one another, n among them, of those at least as wide as least.
func (n *node) depth(least float64) int {
	deepest := 0
	for _, c := range n.children {
		if c.width >= least {
			deepest = max(deepest, c.depth(least))
		}
	}
	return 1 + deepest
}
