// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// A function is one of bpf/jit/functions.h.
type function struct {
	name   string // the value of axisFunction; the program is called run_NAME
	number uint64
	// onlyBPF says that nothing but BPF reaches what the function uses.
	onlyBPF bool
	// expect is the result for an input by the second implementation.
	expect func(j *abi.JitJob, input int) uint64
}

// functions are all but the empty one.
var functions = []function{
	{name: "checksum", number: abi.JitChecksum, expect: checksum},
	{name: "fnv", number: abi.JitFnv, expect: fnvHash},
	{name: "classify", number: abi.JitClassify, expect: classify},
	{name: "lookup", number: abi.JitLookup, expect: lookup},
	{name: "maglev", number: abi.JitMaglev, expect: maglev},
	{name: "loop", number: abi.JitLoop, expect: loop},
	{name: "sort", number: abi.JitSort, expect: sortSum},
	{name: "map", number: abi.JitMap, expect: lookup, onlyBPF: true},
}

// functionOf finds a function by its name.
func functionOf(name string) (function, error) {
	f, _ := harness.Find(functions, func(f function) bool { return f.name == name })
	return f, harness.Known("value of axis function", name, harness.Map(functions, func(f function) string { return f.name }))
}

// errOnlyBPF is the skip of such a function elsewhere.
func errOnlyBPF(f function) error {
	return harness.Skip("function %s: the kernel's hash table for BPF is reached by BPF programs alone; lookup has the same entries in a table of its own", f.name)
}
