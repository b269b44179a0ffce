// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/kxlab/kxlab/harness"
)

// A Step is one trial to come.
type Step struct {
	Block  *Block
	Cell   harness.Cell
	Repeat int
	Seed   uint64 // the same for all variants of a block in one repeat: they see the same packets
}

// Order lists the trials of a group. Every repeat runs all its cells before the next begins; within a repeat the
// blocks, and within a block the variants, come in a random order that the seed decides.
func (g *Group) Order(seed uint64) []Step {
	repeats := 0
	for _, b := range g.Blocks {
		repeats = max(repeats, b.Repeats)
	}
	var steps []Step
	for r := range repeats {
		rng := rand.New(rand.NewPCG(seed, hash("order", g.String(), strconv.Itoa(r))))
		for _, i := range rng.Perm(len(g.Blocks)) {
			b := &g.Blocks[i]
			if r >= b.Repeats {
				continue
			}
			s := seed ^ hash("trial", b.Workload, axisString(b.Axes), strconv.Itoa(r))
			for _, j := range rng.Perm(len(b.Cells)) {
				steps = append(steps, Step{Block: b, Cell: b.Cells[j], Repeat: r, Seed: s})
			}
		}
	}
	return steps
}

// hash mixes words into a number that does not change between versions of Go.
func hash(words ...string) uint64 {
	h := fnv.New64a()
	for _, w := range words {
		io.WriteString(h, w) // a hash takes everything
		h.Write([]byte{0})
	}
	return h.Sum64()
}
