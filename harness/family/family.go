// SPDX-License-Identifier: Apache-2.0

// Package workload holds the behaviours that definitions refer to by name: it builds the place where variants of a
// family work, drives packets, connections and changes through them, and returns what was measured.
//
// A workload never knows which variant is in force: it sees a harness.Balancer and the class, which says what work is
// done and how replies travel. It decides nothing about order, repeats or validity across trials; that is the runner's.
//
// Neighbours: netlab gives the segment, traffic the packets and sockets, conform the correctness gate.
package family

import (
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/cc"
	"github.com/kxlab/kxlab/harness/family/lb"
	"github.com/kxlab/kxlab/harness/family/objects"
	"github.com/kxlab/kxlab/harness/family/sched"
)

// All returns the families, by the name that experiments use. They share a loader of objects.
func All(o bpfobj.Options) map[string]harness.Family {
	l := bpfobj.New(o)
	return map[string]harness.Family{"cc": cc.Family{Loader: l}, "lb": lb.Family{Loader: l}, "objects": objects.Family{Loader: l}, "sched": sched.Family{Loader: l}}
}
