// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"fmt"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/kxlab/kxlab/harness"
)

// A shape makes a program of a size.
type shape func(n int) asm.Instructions

// The shapes of generated programs, by what the size counts.
var shapeOf = map[string]shape{
	"straight": straight, // instructions
	"branches": branches, // branches that join again, each of which the verifier can forget
	"counters": counters, // branches that each leave another state
	"loop":     loop,     // rounds of a loop
	"calls":    calls,    // calls of a function of its own
}

// shapes names them.
func shapes() []string { return []string{"straight", "branches", "counters", "loop", "calls"} }

// parseSize reads a value of axisSize.
func parseSize(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, fmt.Errorf("size %q: want a number from 1 to 1000000", value)
	}
	return n, nil
}

// random puts a number that the verifier does not know into R0.
func random() asm.Instruction { return asm.FnGetPrandomU32.Call() }

// pass returns XDP_PASS.
func pass() asm.Instructions { return asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()} }

// straight adds n times.
func straight(n int) asm.Instructions {
	out := asm.Instructions{random(), asm.Mov.Reg(asm.R6, asm.R0)}
	for range n {
		out = append(out, asm.Add.Imm(asm.R6, 1))
	}
	return append(out, pass()...)
}

// branches tests n times a new number, and forgets it.
func branches(n int) asm.Instructions {
	var out asm.Instructions
	for i := range n {
		next := fmt.Sprintf("next%d", i)
		out = append(out, random(), asm.JEq.Imm(asm.R0, 0, next), asm.Mov.Imm(asm.R0, 0), asm.Mov.Imm(asm.R0, 1).WithSymbol(next))
	}
	return append(out, pass()...)
}

// counters tests n times a new number, and counts up in another bit if it is odd: 2^n states, each of which decides a later test.
func counters(n int) asm.Instructions {
	out := asm.Instructions{asm.Mov.Imm(asm.R6, 0)}
	for i := range n {
		next := fmt.Sprintf("next%d", i)
		out = append(out, random(), asm.JEq.Imm(asm.R0, 0, next), asm.Add.Imm(asm.R6, int32(i+1)), asm.Mov.Imm(asm.R0, 0).WithSymbol(next))
	}
	// The sum is a distance into the stack, so that the verifier must tell the states apart.
	out = append(out, asm.And.Imm(asm.R6, 0xff), asm.Mov.Reg(asm.R1, asm.R10), asm.Add.Imm(asm.R1, -300), asm.Add.Reg(asm.R1, asm.R6),
		asm.StoreImm(asm.R1, 0, 0, asm.Byte))
	return append(out, pass()...)
}

// loop counts to n in a register.
func loop(n int) asm.Instructions {
	return append(asm.Instructions{
		asm.Mov.Imm(asm.R6, 0),
		asm.Add.Imm(asm.R6, 1).WithSymbol("again"),
		asm.JLT.Imm(asm.R6, int32(n), "again"),
	}, pass()...)
}

// calls calls a function n times.
func calls(n int) asm.Instructions {
	var out asm.Instructions
	for range n {
		out = append(out, asm.Mov.Imm(asm.R1, 1), asm.Call.Label("called"))
	}
	out = append(out, pass()...)
	return append(out, asm.Mov.Reg(asm.R0, asm.R1).WithSymbol("called"), asm.Add.Imm(asm.R0, 1), asm.Return())
}

// verify loads a generated program. One that is refused for its size has a cost, too.
func (s *stage) verify(c harness.Cell) (harness.Result, error) {
	n, err := parseSize(c.Axis(axisSize))
	if err != nil {
		return harness.Result{}, harness.SetupError(err)
	}
	name := c.Axis(axisShape)
	make, ok := shapeOf[name]
	if !ok {
		return harness.Result{}, harness.SetupError(harness.Known("value of axis shape", name, shapes()))
	}
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"generated": {Name: "generated", Type: ebpf.XDP, Instructions: make(n), License: "GPL"},
	}}
	a, err := s.try("generated/"+name, spec, byRoot)
	if err != nil {
		return harness.Result{}, harness.SetupError(err)
	}
	defer a.Close()
	f := found{fate: harness.FateAccepted, words: a.Refusal}
	if a.Coll == nil {
		f.fate = harness.FateRefused
	}
	r := resultOf(f, harness.Metric{Unit: unitVerified, Value: float64(a.Verified)}, harness.Metric{Unit: unitVerify, Value: a.Took.Seconds()})
	return r, nil
}
