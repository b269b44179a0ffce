// SPDX-License-Identifier: Apache-2.0

// Package verdict says what a run, or a pair of runs, shows: comparison and gate, drift of the machine, the run's own noise
// (A/A), claims, scores and equivalence of ports. It reads runs through package record and takes its numbers from package
// stats. It draws nothing, writes nothing and never runs anything.
//
// Trials of one repeat are interleaved, so two cells of one run are compared by the quotients of their paired repeats. Two
// runs are compared by Compare, which explains its tests.
package verdict
