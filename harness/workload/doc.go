// SPDX-License-Identifier: Apache-2.0

// Package workload holds the behaviours that definitions refer to by name: it builds the place where variants of a
// family work, drives packets, connections and changes through them, and returns what was measured.
//
// A workload never knows which variant is in force: it sees a harness.Balancer and the class, which says what work is
// done and how replies travel. It decides nothing about order, repeats or validity across trials; that is the runner's.
//
// Neighbours: netlab gives the segment, traffic the packets and sockets, conform the correctness gate.
package workload

import "github.com/kxlab/kxlab/harness"

// Families returns the kinds of kernel extension that can be measured, by the name experiments use.
func Families() map[string]harness.Family {
	return map[string]harness.Family{"cc": CC{}, "lb": LB{}, "objects": Objects{}, "sched": Sched{}}
}
