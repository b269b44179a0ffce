// SPDX-License-Identifier: Apache-2.0

// Package workload holds the behaviours that definitions refer to by name: it builds the place where variants of a
// family work, drives packets, connections and changes through them, and returns what was measured.
//
// A workload never knows which variant is in force: it sees a harness.Balancer and the class, which says what work is
// done and how replies travel. It decides nothing about order, repeats or validity across trials; that is the runner's.
//
// Neighbours: netlab gives the segment, traffic the packets and sockets, conform the correctness gate.
package workload

import (
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/attach"
)

// All returns the families, by the name that experiments use. They share a loader of objects.
func All(o attach.Options) map[string]harness.Family {
	l := attach.New(o)
	return map[string]harness.Family{"cc": CC{l}, "lb": LB{l}, "objects": Objects{l}, "sched": Sched{l}}
}
