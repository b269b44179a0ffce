// SPDX-License-Identifier: Apache-2.0

// Package family is the table of families, by the names that experiments use. A family measures one kind of kernel
// extension. It is a folder here, programs under bpf/ and one line of the table.
//
// A family imports no other family. Shared code is in package exact here and in bpfobj, packets, tcp, load, netlab and
// sys of the harness.
package family

import (
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/cc"
	"github.com/kxlab/kxlab/harness/family/jit"
	"github.com/kxlab/kxlab/harness/family/lb"
	"github.com/kxlab/kxlab/harness/family/objects"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/family/safety"
	"github.com/kxlab/kxlab/harness/family/sched"
	"github.com/kxlab/kxlab/harness/family/swap"
)

// All returns the families, by the name that experiments use. They share a loader of objects.
func All(o bpfobj.Options) map[string]harness.Family {
	l := bpfobj.New(o)
	return map[string]harness.Family{
		"cc": cc.Family{Loader: l}, "jit": jit.Family{Loader: l}, "lb": lb.Family{Loader: l}, "objects": objects.Family{Loader: l},
		"prog": prog.Family{Loader: l}, "safety": safety.Family{Loader: l}, "sched": sched.Family{Loader: l},
		"swap": swap.Family{Loader: l},
	}
}
