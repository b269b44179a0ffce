// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// A builder turns raw stacks into samples that refer to tables of addresses and names.
type builder struct {
	namer     *namer
	processes map[uint32]*process
	on, off   []harness.StackSample
	addresses numbering[uint64]
	names     numbering[string]
	cut       map[string][2]int64 // by task: samples, and those whose stack is not whole
}

// sample makes a sample of stacks whose innermost function comes first. The first address of a running task is the one it was at;
// all others are those to which a function returns, one byte behind its call.
func (b *builder) sample(tgid uint32, task string, kernel, user []uint64, running bool) harness.StackSample {
	s := harness.StackSample{Task: task}
	for i, a := range kernel {
		if i > 0 || !running {
			a--
		}
		s.Kernel = append(s.Kernel, b.addresses.number(a))
	}
	for i, a := range user {
		if i > 0 || len(kernel) > 0 {
			a--
		}
		name, ok := b.namer.name(b.processes[tgid], a)
		if !ok {
			break // what follows is no stack: the program has no frame pointers
		}
		if name == programEnded && len(s.User) > 0 {
			break
		}
		s.User = append(s.User, b.names.number(name))
	}
	slices.Reverse(s.Kernel)
	slices.Reverse(s.User)
	return s
}

// A numbering gives each value a number, from 0 on, in the order in which they came.
type numbering[T comparable] struct {
	all []T
	at  map[T]int
}

func (n *numbering[T]) number(v T) int {
	i, ok := n.at[v]
	if !ok {
		if n.at == nil {
			n.at = map[T]int{}
		}
		i = len(n.all)
		n.at[v], n.all = i, append(n.all, v)
	}
	return i
}

// countCut counts a sample, and whether the program's stack in it is whole.
func (b *builder) countCut(s harness.StackSample) {
	n := b.cut[s.Task]
	n[0] += s.Value
	if len(s.User) == 0 || !isOutermost(b.names.all[s.User[0]]) {
		n[1] += s.Value
	}
	b.cut[s.Task] = n
}

// leastCut is the share of a program's samples from which on stacks that are not whole are noted.
const leastCut = 0.1

// cutNotes name the programs whose stacks are not whole.
func (b *builder) cutNotes() (out []string) {
	for _, task := range slices.Sorted(maps.Keys(b.cut)) {
		n := b.cut[task]
		if share := float64(n[1]) / float64(n[0]); share >= leastCut {
			out = append(out, fmt.Sprintf("%s: in %.0f %% of its samples the program's stack ends early: compiled without frame pointers", task, 100*share))
		}
	}
	return out
}

// joined adds up equal samples, in the order of the first of each.
func joined(all []harness.StackSample) (out []harness.StackSample) {
	at := map[string]int{}
	for _, s := range all {
		id := fmt.Sprint(s.Task, s.User, s.Kernel, s.Waits)
		i, ok := at[id]
		if !ok {
			at[id] = len(out)
			out = append(out, s)
			continue
		}
		out[i].Value += s.Value
	}
	return out
}
